(function_declaration name: (simple_identifier) @name) @definition.function
(function_declaration name: [(custom_operator) (bang)] @name) @definition.function
(function_declaration "func" . _ @name) @definition.function
(init_declaration "init" @name) @definition.method
(deinit_declaration "deinit" @name) @definition.method
(subscript_declaration "subscript" @name) @definition.method
(class_declaration declaration_kind: "extension" name: (user_type (type_identifier) @name .)) @scope.class
(class_declaration declaration_kind: "extension" name: (_) @name) @scope.class
(class_declaration declaration_kind: "struct" name: (_) @name) @definition.struct
(class_declaration declaration_kind: "enum" name: (_) @name) @definition.enum
(class_declaration name: (_) @name) @definition.class
(protocol_declaration name: (_) @name) @definition.interface
(protocol_function_declaration name: (_) @name) @declaration.method
(property_declaration name: (pattern (simple_identifier) @name)) @declaration.property
(typealias_declaration name: (type_identifier) @name) @declaration.type
[(comment) (multiline_comment)] @comment
(call_expression [(simple_identifier) @reference (navigation_expression suffix: (navigation_suffix suffix: (simple_identifier) @reference))])
(type_identifier) @reference
(import_declaration (identifier (simple_identifier) @reference .))
