package provider

// Preset is a known provider that another one's format reaches: what its form is filled in with.
type Preset struct {
	ID             string // in the address of the form
	Label          string
	Kind           Kind
	BaseURL        string
	Catalog        string // empty: prices of its models are the organization's own
	PrivateNetwork bool
	Compatible     bool
	ChatOnly       bool // its Responses API is missing, or right for some of its models alone
}

// Presets returns the known providers, by their names.
func Presets() []Preset {
	return []Preset{
		{ID: "cerebras", Label: "Cerebras", Kind: OpenAI, BaseURL: "https://api.cerebras.ai", Catalog: "cerebras", Compatible: true, ChatOnly: true},
		{ID: "deepseek", Label: "DeepSeek", Kind: OpenAI, BaseURL: "https://api.deepseek.com", Catalog: "deepseek", Compatible: true},
		{ID: "fireworks", Label: "Fireworks", Kind: OpenAI, BaseURL: "https://api.fireworks.ai/inference", Catalog: "fireworks-ai", Compatible: true},
		{ID: "groq", Label: "Groq", Kind: OpenAI, BaseURL: "https://api.groq.com/openai", Catalog: "groq", Compatible: true},
		{ID: "ollama", Label: "Ollama", Kind: OpenAI, BaseURL: "http://localhost:11434", Catalog: "ollama", PrivateNetwork: true, Compatible: true},
		{ID: "openrouter", Label: "OpenRouter", Kind: OpenAI, BaseURL: "https://openrouter.ai/api", Catalog: "openrouter", Compatible: true},
		{ID: "perplexity", Label: "Perplexity", Kind: OpenAI, BaseURL: "https://api.perplexity.ai", Catalog: "perplexity", Compatible: true},
		{ID: "together", Label: "Together", Kind: OpenAI, BaseURL: "https://api.together.xyz", Catalog: "togetherai", Compatible: true, ChatOnly: true},
		{ID: "vllm", Label: "vLLM", Kind: OpenAI, BaseURL: "http://localhost:8000", Catalog: "vllm", PrivateNetwork: true, Compatible: true},
		{ID: "xai", Label: "xAI", Kind: OpenAI, BaseURL: "https://api.x.ai", Catalog: "xai", Compatible: true},
		{ID: "openai-compatible", Label: "Any of OpenAI's format", Kind: OpenAI, Compatible: true, ChatOnly: true},
		{ID: "anthropic-compatible", Label: "Any of Anthropic's format", Kind: Anthropic},
	}
}
