(function_declaration name: (identifier) @name) @definition.function
(generator_function_declaration name: (identifier) @name) @definition.function
(function_expression name: (identifier) @name) @definition.function
(class_declaration name: (_) @name) @definition.class
(class name: (_) @name) @definition.class
(method_definition name: [(property_identifier) (private_property_identifier) (string) (computed_property_name)] @name) @definition.method
(field_definition property: (_) @name value: [(arrow_function) (function_expression)]) @definition.method
(pair key: [(property_identifier) (string)] @name value: [(arrow_function) (function_expression) (generator_function)]) @definition.method
(lexical_declaration (variable_declarator name: (identifier) @name value: [(arrow_function) (function_expression) (generator_function)])) @definition.function
(variable_declaration (variable_declarator name: (identifier) @name value: [(arrow_function) (function_expression) (generator_function)])) @definition.function
(lexical_declaration (variable_declarator name: (identifier) @name value: (class))) @definition.class
(expression_statement (assignment_expression left: (identifier) @name right: [(arrow_function) (function_expression) (generator_function)])) @definition.function
(expression_statement (assignment_expression left: (member_expression object: (_) @within property: [(property_identifier) (private_property_identifier)] @name) right: [(arrow_function) (function_expression) (generator_function)])) @definition.function
(expression_statement (assignment_expression left: (member_expression object: (_) @within property: (property_identifier) @name) right: (class))) @definition.class
(program (lexical_declaration (variable_declarator name: (identifier) @name)) @declaration.constant)
(program (export_statement (lexical_declaration (variable_declarator name: (identifier) @name)) @declaration.constant))
(program (variable_declaration (variable_declarator name: (identifier) @name)) @declaration.variable)
(expression_statement (call_expression
  function: [
    (identifier) @_keyword
    (member_expression object: (identifier) @_keyword)
    (call_expression function: (member_expression object: (identifier) @_keyword))
  ]
  arguments: (arguments . [(string) (template_string)] @name [(arrow_function) (function_expression)]))
  (#any-of? @_keyword "describe" "it" "test" "suite" "context" "bench")) @definition.test
(export_statement) @wrapper
(comment) @comment
(decorator) @attribute
(call_expression function: [(identifier) @reference (member_expression property: [(property_identifier) (private_property_identifier)] @reference)])
(new_expression constructor: [(identifier) @reference (member_expression property: (property_identifier) @reference)])
(class_heritage [(identifier) @reference (member_expression property: (property_identifier) @reference)])
(import_specifier name: (identifier) @reference)
(import_clause (identifier) @reference)
(jsx_opening_element name: (identifier) @reference)
(jsx_self_closing_element name: (identifier) @reference)
