(function_definition declarator: [
  (function_declarator declarator: (identifier) @name)
  (pointer_declarator declarator: (function_declarator declarator: (identifier) @name))
  (pointer_declarator declarator: (pointer_declarator declarator: (function_declarator declarator: (identifier) @name)))
  (function_declarator declarator: (parenthesized_declarator (identifier) @name))
]) @definition.function
(function_definition declarator: (_ (_ (_ (function_declarator declarator: (identifier) @name))))) @definition.function
(function_definition) @scope.module
(declaration declarator: [
  (function_declarator declarator: (identifier) @name)
  (pointer_declarator declarator: (function_declarator declarator: (identifier) @name))
]) @declaration.function
(struct_specifier name: (type_identifier) @name body: (_)) @definition.struct
(union_specifier name: (type_identifier) @name body: (_)) @definition.struct
(enum_specifier name: (type_identifier) @name body: (_)) @definition.enum
(type_definition type: [(struct_specifier body: (_)) (union_specifier body: (_))] declarator: (_) @name) @definition.struct
(type_definition type: (enum_specifier body: (_)) declarator: (_) @name) @definition.enum
(type_definition declarator: [
  (type_identifier) @name
  (function_declarator declarator: (parenthesized_declarator (pointer_declarator declarator: (type_identifier) @name)))
]) @declaration.type
(translation_unit (declaration declarator: (init_declarator declarator: [
  (identifier) @name
  (array_declarator declarator: (identifier) @name)
])) @declaration.variable)
(preproc_function_def name: (identifier) @name) @declaration.macro
(preproc_def name: (identifier) @name) @declaration.macro
(comment) @comment
(call_expression function: [(identifier) @reference (field_expression field: (field_identifier) @reference)])
(type_identifier) @reference
(preproc_include path: (string_literal (string_content) @reference))
