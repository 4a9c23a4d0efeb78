(signature name: (variable) @name) @definition.function
(signature name: (prefix_id (operator) @name)) @definition.function
(function name: (variable) @name) @definition.function
(function name: (prefix_id (operator) @name)) @definition.function
(function (infix operator: (operator) @name)) @definition.function
(function (infix operator: (infix_id (variable) @name))) @definition.function
(bind name: (variable) @name) @definition.function
(data_type name: (name) @name) @definition.type
(newtype name: (name) @name) @definition.type
(type_synomym name: (name) @name) @declaration.type
(class name: (name) @name) @definition.class
(instance name: (name) @name) @scope.class
(deriving_instance name: (name) @name) @scope.class
[(comment) (haddock)] @comment
(pragma) @attribute
(apply function: (variable) @reference)
(apply function: (qualified id: (variable) @reference))
(infix operator: (operator) @reference)
(infix [left_operand: (variable) @reference right_operand: (variable) @reference])
(name) @reference
(constructor) @reference
(import_name (variable) @reference)
