(function_declaration name: (identifier) @name) @definition.function
(function_declaration name: (dot_index_expression table: (_) @within field: (identifier) @name)) @definition.function
(function_declaration name: (method_index_expression table: (_) @within method: (identifier) @name)) @definition.method
(assignment_statement (variable_list . name: (identifier) @name) (expression_list . value: (function_definition))) @definition.function
(assignment_statement (variable_list . name: (dot_index_expression table: (_) @within field: (identifier) @name)) (expression_list . value: (function_definition))) @definition.function
(field name: (identifier) @name value: (function_definition)) @definition.method
(chunk (variable_declaration (assignment_statement (variable_list . name: (identifier) @name) (expression_list . value: (table_constructor)))) @declaration.variable)
(chunk (assignment_statement (variable_list . name: (dot_index_expression table: (_) @within field: (identifier) @name)) (expression_list . value: (table_constructor))) @declaration.variable)
(comment) @comment
(function_call name: [
  (identifier) @reference
  (dot_index_expression field: (identifier) @reference)
  (method_index_expression method: (identifier) @reference)
])
(function_call name: (identifier) @_keyword arguments: (arguments . (string content: (string_content) @reference)) (#eq? @_keyword "require"))
