(Decl (FnProto function: (IDENTIFIER) @name)) @definition.function
(Decl (VarDecl variable_type_function: (IDENTIFIER) @name (ErrorUnionExpr (SuffixExpr (ContainerDecl (ContainerDeclType "enum")))))) @definition.enum
(Decl (VarDecl variable_type_function: (IDENTIFIER) @name (ErrorUnionExpr (SuffixExpr (ContainerDecl))))) @definition.struct
(Decl (VarDecl variable_type_function: (IDENTIFIER) @name)) @declaration.constant
(TestDecl (STRINGLITERALSINGLE) @name) @definition.test
(TestDecl (IDENTIFIER) @name) @definition.test
(TestDecl) @definition.test
[(line_comment) (doc_comment) (container_doc_comment)] @comment
(SuffixExpr variable_type_function: (IDENTIFIER) @reference (FnCallArguments))
(FieldOrFnCall function_call: (IDENTIFIER) @reference)
(ParamType (ErrorUnionExpr (SuffixExpr variable_type_function: (IDENTIFIER) @reference)))
