(function_declaration name: (identifier) @name) @definition.function
(method_declaration
  receiver: (parameter_list (parameter_declaration type: [
    (type_identifier) @within
    (pointer_type (type_identifier) @within)
    (generic_type type: (type_identifier) @within)
    (pointer_type (generic_type type: (type_identifier) @within))
  ]))
  name: (field_identifier) @name) @definition.method
(type_declaration . (type_spec name: (type_identifier) @name type: (struct_type)) .) @definition.struct
(type_declaration . (type_spec name: (type_identifier) @name type: (interface_type)) .) @definition.interface
(type_declaration . [(type_spec name: (type_identifier) @name) (type_alias name: (type_identifier) @name)] .) @definition.type
(type_spec name: (type_identifier) @name type: (struct_type)) @definition.struct
(type_spec name: (type_identifier) @name type: (interface_type)) @definition.interface
(type_spec name: (type_identifier) @name) @definition.type
(source_file (const_declaration (const_spec name: (identifier) @name)) @declaration.constant)
(source_file (var_declaration (var_spec name: (identifier) @name)) @declaration.variable)
(comment) @comment
(call_expression function: [(identifier) @reference (selector_expression field: (field_identifier) @reference)])
(type_identifier) @reference
(import_spec path: (interpreted_string_literal (interpreted_string_literal_content) @reference))
