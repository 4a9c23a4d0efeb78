(function_definition name: (word) @name) @definition.function
(comment) @comment
(command name: (command_name (word) @reference))
(command name: (command_name (word) @_keyword) argument: (concatenation . (word) @name) (#eq? @_keyword "alias")) @declaration.variable
