(call target: (identifier) @_keyword
  (arguments . [
    (call target: (identifier) @name)
    (identifier) @name
    (binary_operator left: (call target: (identifier) @name) operator: "when")
    (binary_operator left: (identifier) @name operator: "when")
    (binary_operator left: (binary_operator operator: _ @name) operator: "when")
    (binary_operator operator: _ @name)
  ])
  (#any-of? @_keyword "def" "defp" "defdelegate" "defguard" "defguardp" "defn" "defnp")) @definition.function
(call target: (identifier) @_keyword
  (arguments . [
    (call target: (identifier) @name)
    (identifier) @name
    (binary_operator left: (call target: (identifier) @name) operator: "when")
    (binary_operator operator: _ @name)
  ])
  (#any-of? @_keyword "defmacro" "defmacrop")) @definition.macro
(call target: (identifier) @_keyword (arguments . (_) @name) (do_block)
  (#any-of? @_keyword "defmodule" "defprotocol")) @definition.module
(call target: (identifier) @_keyword (arguments . (_) @name) (do_block)
  (#eq? @_keyword "defimpl")) @scope.module
(call target: (identifier) @_keyword (arguments . (string) @name) (do_block)
  (#any-of? @_keyword "test" "describe" "property")) @definition.test
(unary_operator operator: "@" operand: (call target: (identifier) @_keyword
  (arguments . (binary_operator left: (call target: (identifier) @name))))
  (#any-of? @_keyword "callback" "macrocallback")) @declaration.function
(unary_operator operator: "@" operand: (call target: (identifier) @_keyword
  (arguments . (binary_operator left: [(call target: (identifier) @name) (identifier) @name])))
  (#any-of? @_keyword "type" "typep" "opaque")) @declaration.type
(unary_operator operator: "@" operand: (call target: (identifier) @_keyword
  (arguments . [(string (quoted_content) @doc) (sigil (quoted_content) @doc)]))
  (#any-of? @_keyword "doc" "moduledoc" "typedoc"))
(unary_operator operator: "@" operand: (call target: (identifier) @_keyword)) @attribute
(comment) @comment
(call target: [(identifier) @reference (dot right: (identifier) @reference)])
(alias) @reference
