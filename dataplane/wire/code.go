package wire

// Machine codes of refusals and failures: in error bodies of every dialect, in usage events, in the console. They never change.
const (
	CodeInvalidRequest      = "invalid_request"
	CodeInvalidKey          = "invalid_key"
	CodeKeyRevoked          = "key_revoked"
	CodeKeyExpired          = "key_expired"
	CodeOrgSuspended        = "organization_suspended"
	CodeModelNotFound       = "model_not_found"
	CodeModelNotAllowed     = "model_not_allowed"
	CodeProxyNotAllowed     = "proxy_not_allowed"
	CodeFieldNotCarried     = "field_not_carried"
	CodeDialectMismatch     = "dialect_not_supported"
	CodeBodyTooLarge        = "body_too_large"
	CodeUploadNoRoom        = "upload_no_room" // on the edge's disk
	CodeRateLimited         = "rate_limited"
	CodeGuardrailBlocked    = "guardrail_blocked"
	CodeBudgetExhausted     = "budget_exhausted"
	CodeBudgetUnavailable   = "budget_unavailable" // it has enough left, and nothing of it could be leased in time
	CodeNoConditionHeld     = "no_condition_held"
	CodePriceUnknown        = "price_unknown"
	CodeUpstreamFailed      = "upstream_failed"
	CodeUpstreamTimeout     = "upstream_timeout"
	CodeUpstreamCut         = "upstream_cut"
	CodeClientClosed        = "client_closed"
	CodeEdgeStopped         = "edge_stopped"
	CodeSpoolFull           = "spool_full"
	CodeInternal            = "internal_error"
	CodeListUnavailable     = "list_unavailable" // the control plane, which has it, does not answer
	CodeNotFound            = "not_found"
	CodeMethodNotAllowed    = "method_not_allowed"
	CodeEdgeUnauthorized    = "edge_unauthorized"
	CodeEdgeFenced          = "edge_fenced"
	CodeUnsupportedFormat   = "unsupported_media_type"
	CodeUpstreamUnavailable = "upstream_unavailable" // every target is held back at the moment
	CodeBackgroundPending   = "background_pending"   // of an answer that its provider works at in the background: what it costs is known when it has ended
	CodeBatchPending        = "batch_pending"        // of a batch that was begun: what it costs is known when it has ended
	CodeDeadlineExceeded    = "deadline_exceeded"
	CodeContextTooLong      = "context_length_exceeded" // at the provider; OpenAI's own word
	CodeCacheHit            = "cache_hit"               // no failure: a kept answer served the call
	CodeCacheHitSimilar     = "cache_hit_similar"       // nor is this: the answer to a question like it did
)
