package e2e

import "strings"

// ruleRows are the rows about what one provider refuses and another takes, so that it must be said otherwise, or be refused by its name.
func ruleRows() []feature {
	const (
		bounded = `{"type":"object","properties":{"verdict":{"type":"integer","minimum":1,"maximum":9}},"required":["verdict"]}`
		called  = `{"role":"assistant","content":"","tool_calls":[{"id":"functions.lookup:0","type":"function","function":{"name":"lookup","arguments":"{\"city\":\"Bern\"}"}}]},{"role":"tool","tool_call_id":"functions.lookup:0","content":"Sunny."}`
		custom  = `"tools":[{"type":"custom","name":"lookup","description":"Looks a city up.","format":{"type":"text"}}]`
	)
	long := "toolu_" + strings.Repeat("x", 50)
	every := alike(`~TEXT`, toChat, toResponses, toMessages, toConverse, toGemini, toMistral, toCohere)
	only := func(dialect, what string) map[string]string { return map[string]string{dialect: what} }
	return []feature{
		{
			name: "a temperature beside thoughts", asks: only(byChat, `"reasoning_effort":"low","temperature":0.5`), field: only(byChat, `^temperature$`),
			sent: joined(alike(`temperature~0.5`, openAIs...), only(toGemini, `generationConfig.temperature~0.5`)),
		},
		{
			name: "thoughts before a call that must be", came: came{calls: 1, finish: "tool"}, asks: only(byChat, chatTools+`,"tool_choice":"required","reasoning_effort":"low"`), field: only(byChat, `^reasoning_effort$`),
			sent: joined(alike(`reasoning_effort~.`, toChat, toMistral), map[string]string{toCohere: `thinking.type~enabled`, toGemini: `generationConfig.thinkingConfig~thinking`}),
		},
		{
			name: "thoughts that did not come back", steer: "sim:tokens=9", asks: only(byChat, chatTools+`,"reasoning_effort":"low","messages":[{"role":"user","content":"TEXT"},`+called+`]`), field: only(byChat, `^reasoning_effort$`),
			sent: joined(alike(`reasoning_effort~.`, toChat, toMistral), map[string]string{toCohere: `thinking.type~enabled`, toGemini: `generationConfig.thinkingConfig~thinking`}),
		},
		{
			name: "bounds in the schema of the answer", asks: map[string]string{
				byChat:   `"response_format":{"type":"json_schema","json_schema":{"name":"a","schema":` + bounded + `}}`,
				byGemini: `"generationConfig":{"maxOutputTokens":4000,"responseMimeType":"application/json","responseJsonSchema":` + bounded + `}`,
			},
			sent: map[string]string{
				toChat: `response_format.json_schema.schema.properties.verdict.minimum~1`, toMistral: `response_format.json_schema.schema.properties.verdict.minimum~1`, toCohere: `response_format~minimum`,
				toMessages: `output_config.format.schema.properties.verdict.description~minimum output_config.format.schema.additionalProperties~false`, toConverse: `outputConfig.textFormat.structure~minimum`,
				toGemini: `generationConfig.responseJsonSchema.properties.verdict.minimum~1`, toResponses: `text.format.schema.properties.verdict.minimum~1`,
			},
		},
		{
			name: "a schema beside tools", asks: only(byChat, chatTools+`,"response_format":{"type":"json_schema","json_schema":{"name":"a","schema":`+answerSchema+`}}`), field: only(byChat, `^response_format`),
			sent: map[string]string{
				toChat: `response_format~verdict`, toMistral: `response_format~verdict`, toMessages: `output_config.format.schema~verdict`, toConverse: `outputConfig.textFormat.structure~verdict`, toGemini: `generationConfig.responseJsonSchema~verdict`,
			},
		},
		{name: "an answer of nothing", asks: only(byChat, `"messages":[{"role":"user","content":"One."},{"role":"assistant","content":""},{"role":"user","content":"TEXT"}]`), sent: every},
		{name: "instructions alone", steer: "sim:tokens=9", asks: only(byChat, `"messages":[{"role":"system","content":"TEXT"}]`), field: only(byChat, `^messages`), sent: every},
		{
			name: "ids that others do not take", steer: "sim:tokens=9", asks: map[string]string{
				byChat:     chatTools + `,"messages":[{"role":"user","content":"TEXT"},` + called + `]`,
				byMessages: messagesTools + `,"messages":[{"role":"user","content":"TEXT"},{"role":"assistant","content":[{"type":"tool_use","id":"` + long + `","name":"lookup","input":{"city":"Bern"}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"` + long + `","content":"Sunny."}]}]`,
			},
			sent: every,
		},
		{
			name: "a text behind a tool's result", steer: "sim:tokens=9", asks: map[string]string{
				byChat:     chatTools + `,"messages":[{"role":"user","content":"One."},` + called + `,{"role":"user","content":"TEXT"}]`,
				byMessages: messagesTools + `,"messages":[{"role":"user","content":"One."},{"role":"assistant","content":[{"type":"tool_use","id":"t1","name":"lookup","input":{"city":"Bern"}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":"Sunny."},{"type":"text","text":"TEXT"}]}]`,
			},
			sent: joined(every, only(toMistral, `messages.2.role~^tool$ messages.2.content~Sunny messages.2.content~TEXT`)),
		},
		{name: "tools' turns without tools", steer: "sim:tokens=9", asks: only(byChat, `"messages":[{"role":"user","content":"TEXT"},`+called+`]`), sent: joined(every, only(toConverse, `toolConfig.tools.0.toolSpec.name~^lookup$`))},
		number("all of the probability", `1`, map[string]string{byChat: "top_p", byMessages: "top_p", byGemini: "topP"}, joined(alike(`top_p~^1$`, toChat, toResponses, toMistral, toMessages), map[string]string{toCohere: `p~^0.99$`, toConverse: `inferenceConfig.topP~^1$`, toGemini: `generationConfig.topP~^1$`})),
		{
			name: "tools, called in turns", steer: "sim:calls=2 sim:mixed=1 Use the lookup tool.", came: came{calls: 2, finish: "tool"},
			asks: map[string]string{byChat: chatTools, byMessages: messagesTools, byGemini: geminiTools}, sent: alike(`~lookup`, toChat, toResponses, toMessages, toConverse, toGemini, toMistral, toCohere),
		},
		{
			name: "some of the tools", steer: "sim:tokens=9", asks: map[string]string{
				byChat:      chatTools + `,"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"other"}}]}}`,
				byResponses: responsesTools + `,"tool_choice":{"type":"allowed_tools","mode":"auto","tools":[{"type":"function","name":"other"}]}`,
			},
			sent: joined(alike(`tools.0.function.name~^other$`, toMistral, toCohere), map[string]string{
				toChat: `tool_choice.allowed_tools.tools~other`, toResponses: `tool_choice.tools~other`, toMessages: `tools.0.name~^other$`, toConverse: `toolConfig.tools.0.toolSpec.name~^other$`, toGemini: `tools.0.functionDeclarations.0.name~^other$`,
			}),
		},
		{
			name: "a tool that takes any text", steer: "Use the lookup tool.", came: came{calls: 1, finish: "tool", text: "sample"}, asks: only(byResponses, custom),
			sent: joined(alike(`tools.0.function.parameters.properties.input.type~string`, toMistral, toCohere), map[string]string{
				toResponses: `tools.0.type~^custom$`, toMessages: `tools.0.input_schema.properties.input.type~string`, toConverse: `toolConfig.tools.0.toolSpec.inputSchema.json.properties.input.type~string`,
				toGemini: `tools.0.functionDeclarations.0.parametersJsonSchema.properties.input.type~string`,
			}),
		},
		{
			name: "a long name of an end user", asks: only(byMessages, `"metadata":{"user_id":"user_`+strings.Repeat("0", 80)+`"}`), field: only(byMessages, `^metadata\.user_id$`),
			sent: map[string]string{toChat: `user~^[0-9A-Za-z]{32}$`, toResponses: `user~^[0-9A-Za-z]{32}$`, toMessages: `metadata.user_id~^user_0`},
		},
		{
			name: "no thoughts", asks: only(byMessages, `"thinking":{"type":"disabled"}`), field: only(byMessages, `^thinking$`), sent: map[string]string{
				toChat: `reasoning_effort~^minimal$`, toResponses: `reasoning.effort~^none$`, toMessages: `thinking.type~^disabled$`, toConverse: `additionalModelRequestFields.thinking.type~^disabled$`, toCohere: `thinking.type~^disabled$`, toMistral: `reasoning_effort~^none$`,
				toGemini: `generationConfig.thinkingConfig~thinking`,
			},
		},
	}
}
