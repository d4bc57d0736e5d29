package setupui

import (
	"embed"
	"strconv"
	"strings"
)

//go:embed snippet
var snippets embed.FS

// Fill makes a page of all programs from where the edges are, the key and the models that it may use.
func Fill(title, url, key string, models []string) Page {
	page := Page{Title: title, URL: url, Key: key, Models: models}
	fill := strings.NewReplacer("{{url}}", url, "{{key}}", key,
		"{{model}}", preferred(models, "gpt", "o"), "{{claude}}", preferred(models, "claude"), "{{gemini}}", preferred(models, "gemini"))
	for _, each := range programs() {
		group := Group{Title: each.Title}
		for _, one := range each.Programs {
			one.Steps = steps(one.ID, fill)
			group.Programs = append(group.Programs, one)
		}
		page.Groups = append(page.Groups, group)
	}
	return page
}

// programs are those that have lines here. Tests run them as the page shows them, all but Cursor's.
func programs() []Group {
	return []Group{
		{"Coding agents", []Program{
			{ID: "claude-code", Title: "Claude Code", Note: "Any model will do, whoever provides it. Its session is the run, so that the bill of a session stands on one page."},
			{ID: "codex", Title: "Codex", Note: "Codex speaks Responses; the edge translates for providers that do not. Its session is the run. Its search of the web runs at OpenAI: with a model of theirs, leave that line out."},
			{ID: "gemini-cli", Title: "Gemini CLI", Note: "Any model will do. A prompt with all the tools that it calls is a run."},
			{ID: "opencode", Title: "OpenCode", Note: "List each model that you choose from. Its session is the run."},
			{ID: "cline", Title: "Cline", Note: "In an editor: the provider OpenAI Compatible, with the same address, key and model."},
			{ID: "cursor", Title: "Cursor", Note: cursorNote},
		}},
		{"Without an SDK", []Program{{ID: "curl", Title: "curl"}}},
		{"JavaScript and TypeScript", []Program{
			{ID: "openai-js", Title: "OpenAI SDK"},
			{ID: "anthropic-js", Title: "Anthropic SDK"},
			{ID: "google-js", Title: "Google Gen AI SDK"},
			{ID: "vercel", Title: "Vercel AI SDK", Note: "createAnthropic takes the same address with /v1, createGoogleGenerativeAI with /v1beta."},
			{ID: "langgraph-js", Title: "LangGraph.js"},
			{ID: "agents-js", Title: "OpenAI Agents SDK"},
			{ID: "strands-js", Title: "Strands Agents"},
		}},
		{"Python", []Program{
			{ID: "openai-python", Title: "OpenAI SDK"},
			{ID: "anthropic-python", Title: "Anthropic SDK"},
			{ID: "langgraph-python", Title: "LangGraph"},
			{ID: "crewai", Title: "CrewAI"},
			{ID: "pydantic-ai", Title: "Pydantic AI"},
			{ID: "autogen", Title: "AutoGen"},
			{ID: "agents-python", Title: "OpenAI Agents SDK"},
			{ID: "strands-python", Title: "Strands Agents"},
		}},
	}
}

// cursorNote is what is known of Cursor without trying it: https://cursor.com/help/models-and-usage/api-keys,
// https://docs.litellm.ai/docs/tutorials/cursor_integration, https://developers.cloudflare.com/ai-gateway/integrations/coding-agents/cursor/.
const cursorNote = "Not tried by us; this is what its makers and its users say. Cursor calls from its own servers: the edge must be reachable from the internet, by https. " +
	"A model of your own needs a paid plan. Ask and Plan go through the edge; completions while typing never do. Its agent may send requests in the format of Responses " +
	"to the path of Chat Completions, which an edge refuses with the field's name. The address holds for every OpenAI model that is chosen while it is set, and some versions do not offer it."

// steps reads a program's lines: each step begins with a line that says where its lines go.
func steps(program string, fill *strings.Replacer) (all []Step) {
	text, err := snippets.ReadFile("snippet/" + program)
	if err != nil {
		panic("setupui: no lines are embedded for " + program)
	}
	for part := range strings.SplitSeq(strings.TrimPrefix(string(text), "-- "), "\n-- ") {
		where, lines, _ := strings.Cut(part, " --\n")
		all = append(all, Step{ID: program + "-" + strconv.Itoa(len(all)+1), Where: where, Lines: fill.Replace(strings.TrimRight(lines, "\n"))})
	}
	return all
}

// preferred names a model that fits best: one that begins like this, else one that writes text, else any.
func preferred(models []string, begins ...string) string {
	for _, begin := range begins {
		for _, name := range models {
			if strings.HasPrefix(name, begin) {
				return name
			}
		}
	}
	for _, name := range models {
		if !strings.Contains(name, "embed") {
			return name
		}
	}
	if len(models) > 0 {
		return models[0]
	}
	return "your-route"
}
