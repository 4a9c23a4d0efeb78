(function_definition name: (identifier) @name) @definition.function
(class_definition name: (identifier) @name) @definition.class
(type_alias_statement left: (type (identifier) @name)) @definition.type
(module (assignment left: (identifier) @name) @declaration.constant)
(decorated_definition) @wrapper
(comment) @comment
(block . (string) @doc)
(call function: [(identifier) @reference (attribute attribute: (identifier) @reference)])
(decorator [(identifier) @reference (attribute attribute: (identifier) @reference)])
(class_definition superclasses: (argument_list [(identifier) @reference (attribute attribute: (identifier) @reference)]))
(type (identifier) @reference)
(generic_type (identifier) @reference)
(import_from_statement name: [(dotted_name (identifier) @reference .) (aliased_import name: (dotted_name (identifier) @reference .))])
(import_statement name: [(dotted_name (identifier) @reference .) (aliased_import name: (dotted_name (identifier) @reference .))])
