(function_declaration receiver: (receiver_type (user_type (type_identifier) @within .)) (simple_identifier) @name) @definition.function
(function_declaration (simple_identifier) @name) @definition.function
(class_declaration "interface" (type_identifier) @name) @definition.interface
(class_declaration "enum" (type_identifier) @name) @definition.enum
(class_declaration (type_identifier) @name) @definition.class
(object_declaration (type_identifier) @name) @definition.class
(companion_object (type_identifier)? @name) @scope.class
(secondary_constructor "constructor" @name) @definition.method
(property_declaration (variable_declaration (simple_identifier) @name)) @declaration.property
(type_alias (type_identifier) @name) @definition.type
[(line_comment) (multiline_comment)] @comment
(call_expression [(simple_identifier) @reference (navigation_expression (navigation_suffix (simple_identifier) @reference))])
(type_identifier) @reference
(import_header (identifier (simple_identifier) @reference .))
