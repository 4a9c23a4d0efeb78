(class_definition name: (identifier) @name) @definition.class
(object_definition name: (identifier) @name) @definition.class
(trait_definition name: (identifier) @name) @definition.trait
(enum_definition name: (identifier) @name) @definition.enum
(function_definition name: (_) @name) @definition.function
(function_declaration name: (_) @name) @declaration.function
(val_definition pattern: (identifier) @name) @declaration.constant
(var_definition pattern: (identifier) @name) @declaration.variable
(given_definition name: (identifier) @name) @definition.constant
(type_definition name: (type_identifier) @name) @declaration.type
(extension_definition parameters: (parameters (parameter type: (_) @name))) @scope.class
[(comment) (block_comment)] @comment
(call_expression function: [
  (identifier) @reference
  (field_expression field: (identifier) @reference)
  (generic_function function: [(identifier) @reference (field_expression field: (identifier) @reference)])
])
(instance_expression (type_identifier) @reference)
(type_identifier) @reference
(import_declaration path: (identifier) @reference .)
(namespace_selectors (identifier) @reference)
