(function_definition
  declarator: (function_declarator
    declarator: (identifier) @_keyword
    parameters: (parameter_list
      . (parameter_declaration type: (type_identifier) @within)
      . (parameter_declaration type: (type_identifier) @name)))
  (#any-of? @_keyword "TEST" "TEST_F" "TEST_P" "TYPED_TEST" "TYPED_TEST_P" "BENCHMARK_F")) @definition.test
(function_definition declarator: [
  (function_declarator declarator: [(identifier) (field_identifier) (destructor_name) (operator_name) (operator_cast)] @name)
  (reference_declarator (function_declarator declarator: [(identifier) (field_identifier) (operator_name)] @name))
  (pointer_declarator declarator: (function_declarator declarator: [(identifier) (field_identifier) (operator_name)] @name))
  (pointer_declarator declarator: (pointer_declarator declarator: (function_declarator declarator: [(identifier) (field_identifier)] @name)))
  (operator_cast type: (_) @name)
]) @definition.function
(function_definition declarator: [
  (function_declarator declarator: (qualified_identifier) @name.qualified)
  (reference_declarator (function_declarator declarator: (qualified_identifier) @name.qualified))
  (pointer_declarator declarator: (function_declarator declarator: (qualified_identifier) @name.qualified))
  (pointer_declarator declarator: (pointer_declarator declarator: (function_declarator declarator: (qualified_identifier) @name.qualified)))
  (qualified_identifier) @name.qualified
]) @definition.method
(function_definition) @scope.module
(declaration declarator: [
  (function_declarator declarator: [(identifier) (operator_name) (destructor_name)] @name)
  (reference_declarator (function_declarator declarator: [(identifier) (operator_name)] @name))
  (pointer_declarator declarator: (function_declarator declarator: [(identifier) (operator_name)] @name))
]) @declaration.function
(field_declaration declarator: [
  (function_declarator declarator: [(field_identifier) (operator_name)] @name)
  (reference_declarator (function_declarator declarator: [(field_identifier) (operator_name)] @name))
  (pointer_declarator declarator: (function_declarator declarator: [(field_identifier) (operator_name)] @name))
]) @declaration.method
(class_specifier name: (type_identifier) @name body: (_)) @definition.class
(class_specifier name: (template_type name: (type_identifier) @name) body: (_)) @definition.class
(class_specifier name: (qualified_identifier) @name.qualified body: (_)) @definition.class
(struct_specifier name: (type_identifier) @name body: (_)) @definition.struct
(struct_specifier name: (template_type name: (type_identifier) @name) body: (_)) @definition.struct
(struct_specifier name: (qualified_identifier) @name.qualified body: (_)) @definition.struct
(union_specifier name: (type_identifier) @name body: (_)) @definition.struct
(enum_specifier name: (type_identifier) @name body: (_)) @definition.enum
(type_definition type: [(struct_specifier body: (_)) (union_specifier body: (_))] declarator: (_) @name) @definition.struct
(type_definition type: (enum_specifier body: (_)) declarator: (_) @name) @definition.enum
(type_definition declarator: (type_identifier) @name) @declaration.type
(alias_declaration name: (type_identifier) @name) @declaration.type
(concept_definition name: (identifier) @name) @definition.type
(namespace_definition name: (_)? @name body: (_)) @scope.module
(declaration declarator: (init_declarator declarator: (identifier) @name value: (lambda_expression))) @declaration.function
(declaration declarator: (init_declarator declarator: [
  (identifier) @name
  (array_declarator declarator: (identifier) @name)
])) @declaration.variable
(preproc_function_def name: (identifier) @name) @declaration.macro
(preproc_def name: (identifier) @name) @declaration.macro
(template_declaration) @wrapper
(comment) @comment
(call_expression function: [
  (identifier) @reference
  (field_expression field: (field_identifier) @reference)
  (qualified_identifier name: (identifier) @reference)
  (qualified_identifier name: (qualified_identifier name: (identifier) @reference))
  (template_function name: (identifier) @reference)
  (qualified_identifier name: (template_function name: (identifier) @reference))
])
(type_identifier) @reference
(preproc_include path: (string_literal (string_content) @reference))
