(function_item name: (identifier) @name) @definition.function
(function_signature_item name: (identifier) @name) @declaration.function
(struct_item name: (type_identifier) @name) @definition.struct
(union_item name: (type_identifier) @name) @definition.struct
(enum_item name: (type_identifier) @name) @definition.enum
(trait_item name: (type_identifier) @name) @definition.trait
(impl_item type: [
  (type_identifier) @name
  (generic_type type: (type_identifier) @name)
  (generic_type type: (scoped_type_identifier name: (type_identifier) @name))
  (scoped_type_identifier name: (type_identifier) @name)
  (reference_type type: (type_identifier) @name)
  (reference_type type: (generic_type type: (type_identifier) @name))
]) @scope.class
(impl_item type: (_) @name) @scope.class
(mod_item name: (identifier) @name body: (_)) @scope.module
(foreign_mod_item body: (_)) @scope.module
(declaration_list (type_item name: (type_identifier) @name) @declaration.type)
(type_item name: (type_identifier) @name) @definition.type
(const_item name: (identifier) @name) @declaration.constant
(static_item name: (identifier) @name) @declaration.constant
(macro_definition name: (identifier) @name) @definition.macro
[(line_comment) (block_comment)] @comment
[(attribute_item) (inner_attribute_item)] @attribute
(call_expression function: [
  (identifier) @reference
  (field_expression field: (field_identifier) @reference)
  (scoped_identifier name: (identifier) @reference)
  (generic_function function: [(identifier) @reference (field_expression field: (field_identifier) @reference) (scoped_identifier name: (identifier) @reference)])
])
(type_identifier) @reference
(macro_invocation macro: [(identifier) @reference (scoped_identifier name: (identifier) @reference)])
(use_declaration argument: [(identifier) @reference (scoped_identifier name: (identifier) @reference)])
(use_list [(identifier) @reference (scoped_identifier name: (identifier) @reference)])
