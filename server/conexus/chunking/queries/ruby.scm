(method name: (_) @name) @definition.method
(singleton_method name: (_) @name) @definition.method
(class name: (_) @name) @definition.class
(singleton_class) @scope.class
(module name: (_) @name) @scope.module
(assignment left: (constant) @name right: (call block: (do_block))) @definition.class
(program (assignment left: (constant) @name) @declaration.constant)
(body_statement (assignment left: (constant) @name) @declaration.constant)
(call method: (identifier) @_keyword arguments: (argument_list . (string) @name) block: (do_block)
  (#any-of? @_keyword "it" "test" "describe" "context" "specify" "should" "scenario" "feature")) @definition.test
(comment) @comment
(call method: [(identifier) (constant)] @reference)
(constant) @reference
