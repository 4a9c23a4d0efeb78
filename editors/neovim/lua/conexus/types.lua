---@meta
-- The protocol's values as Lua sees them. docs/protocol.md says what they mean, and a test compares the names.

---@alias conexus.Encoding 'utf-8'|'utf-16'|'utf-32'
---@alias conexus.Health 'ok'|'warning'|'error'
---@alias conexus.Role 'writer'|'reader'
---@alias conexus.SearchMode 'exact'|'indexed'

---@class conexus.Filters
---@field languages? string[]
---@field include? string[]
---@field exclude? string[]
---@field kinds? string[]
---@field folders? string[]
---@field tests? 'include'|'exclude'|'only'

---@class conexus.SearchParams
---@field query string
---@field limit? integer
---@field filters? conexus.Filters
---@field near? lsp.TextDocumentPositionParams

---@class conexus.RelatedParams
---@field textDocument lsp.TextDocumentIdentifier
---@field range? lsp.Range
---@field position? lsp.Position
---@field relations? string[]
---@field limit? integer
---@field filters? conexus.Filters

---@class conexus.Hit
---@field location lsp.Location
---@field folder string
---@field language string
---@field score number
---@field reasons string[]
---@field preview string
---@field version? integer
---@field symbol? string
---@field kind? string
---@field container? string
---@field relation? string
---@field nameRange? lsp.Range
---@field matches? lsp.Range[]

---@class conexus.IndexState
---@field complete boolean
---@field indexedFiles integer
---@field totalFiles integer
---@field degraded? string

---@class conexus.SearchResult
---@field hits conexus.Hit[]
---@field index conexus.IndexState
---@field generation integer
---@field tookMs number

---@class conexus.ModelStatus
---@field name string
---@field dimensions integer
---@field fingerprint string

---@class conexus.FolderStatus
---@field uri string
---@field files integer
---@field chunks integer
---@field complete boolean
---@field skipped table<string, integer>
---@field quarantined string[]
---@field role conexus.Role
---@field searchMode conexus.SearchMode

---@class conexus.StatusResult
---@field quiescent boolean
---@field health conexus.Health
---@field message string
---@field files integer
---@field chunks integer
---@field pending integer
---@field dirtyBuffers integer
---@field embeddedChunks integer
---@field generation integer
---@field model conexus.ModelStatus
---@field folders conexus.FolderStatus[]
---@field phase string
---@field paused boolean
---@field memoryBytes integer
---@field indexBytes integer
---@field limits table<string, integer>
---@field role conexus.Role
---@field protocolVersion integer

---@class conexus.ReindexParams
---@field folders? string[]
---@field paths? string[]

---@class conexus.IndexChangedParams
---@field generation integer
---@field folders string[]

---@class conexus.ServerStatusParams
---@field health conexus.Health
---@field quiescent boolean
---@field message? string
