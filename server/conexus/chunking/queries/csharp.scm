(class_declaration name: (identifier) @name) @definition.class
(struct_declaration name: (identifier) @name) @definition.struct
(record_declaration name: (identifier) @name) @definition.class
(interface_declaration name: (identifier) @name) @definition.interface
(enum_declaration name: (identifier) @name) @definition.enum
(delegate_declaration name: (identifier) @name) @definition.type
(namespace_declaration name: (_) @name) @scope.module
(method_declaration name: (identifier) @name) @definition.method
(constructor_declaration name: (identifier) @name) @definition.method
(destructor_declaration name: (identifier) @name) @definition.method
(local_function_statement name: (identifier) @name) @definition.function
(operator_declaration operator: _ @name) @definition.method
(conversion_operator_declaration type: (_) @name) @definition.method
(indexer_declaration "this" @name) @definition.method
(property_declaration name: (identifier) @name) @declaration.property
(event_declaration name: (identifier) @name) @declaration.property
(field_declaration (variable_declaration (variable_declarator name: (identifier) @name))) @declaration.property
(comment) @comment
(invocation_expression function: [
  (identifier) @reference
  (generic_name (identifier) @reference)
  (member_access_expression name: [(identifier) @reference (generic_name (identifier) @reference)])
])
(object_creation_expression type: [(identifier) @reference (generic_name (identifier) @reference)])
(base_list [(identifier) @reference (generic_name (identifier) @reference)])
(parameter type: [(identifier) @reference (generic_name (identifier) @reference)])
(variable_declaration type: [(identifier) @reference (generic_name (identifier) @reference)])
(method_declaration returns: [(identifier) @reference (generic_name (identifier) @reference)])
(attribute name: (identifier) @reference)
(using_directive [(identifier) @reference (qualified_name name: (identifier) @reference)])
