package e2e

// feature is something that a caller may ask for. Which dialects can say it is said by their asks: the members of a request besides the model,
// with TEXT for what the user says last. Sent tells how each provider's format says it: paths into the body and patterns of what stands there,
// of which all must hold. Came is what the answer must have, beside a text and its usage.
type feature struct {
	name    string
	steer   string            // words that steer the simulator
	asks    map[string]string // by dialect
	field   map[string]string // by dialect: what a refusal, or the list of what was dropped, names: a pattern
	sent    map[string]string // by wire format; without one it cannot be carried there
	came    came
	failing bool // the provider refuses it
}

// came is what an answer must have.
type came struct {
	calls   int    // of the tool
	text    string // that such a call has, where it takes any
	finish  string // by the dialect's own word for it: stop, tool or length
	thought bool   // where the provider shows thoughts; signed where it signs them
	sealed  bool   // thoughts that only their provider can read, where it has such
	stopped bool   // the sequence at which the model stopped, where dialect and provider say it
	answers int    // at once; 0: one
	odds    int    // of the tokens, each beside so many others and itself; 0: none
	tier    string // that served, in the answer and in the usage event
}

// The dialects, and the formats in which providers are asked.
const (
	byChat, byResponses, byMessages, byGemini                                  = "chat", "responses", "messages", "gemini"
	toChat, toResponses, toMessages, toConverse, toGemini, toMistral, toCohere = "chat", "responses", "messages", "converse", "gemini", "mistral", "cohere"
	toVertex, toVertexClaude                                                   = "gemini at vertex", "messages at vertex" // where they say it otherwise than at their own API
	png                                                                        = "iVBORw0KGgo="
	pdf                                                                        = "JVBERi0="
	claudesSign, googlesSign                                                   = "Y2xhdWRl", "Z29vZ2xl"
	toolSchema                                                                 = `{"type":"object","properties":{"city":{"type":"string"}},"required":["city"],"additionalProperties":false}`
	answerSchema                                                               = `{"type":"object","properties":{"verdict":{"type":"string"}},"required":["verdict"],"additionalProperties":false}`
	chatTools                                                                  = `"tools":[{"type":"function","function":{"name":"lookup","description":"Looks a city up.","parameters":` + toolSchema + `}},{"type":"function","function":{"name":"other","parameters":` + toolSchema + `}}]`
	responsesTools                                                             = `"tools":[{"type":"function","name":"lookup","description":"Looks a city up.","parameters":` + toolSchema + `,"strict":false},{"type":"function","name":"other","parameters":` + toolSchema + `,"strict":false}]`
	messagesTools                                                              = `"tools":[{"name":"lookup","description":"Looks a city up.","input_schema":` + toolSchema + `},{"name":"other","input_schema":` + toolSchema + `}]`
	geminiTools                                                                = `"tools":[{"functionDeclarations":[{"name":"lookup","description":"Looks a city up.","parametersJsonSchema":` + toolSchema + `},{"name":"other","parametersJsonSchema":` + toolSchema + `}]}]`
)

// alike gives one thing for several formats.
func alike(what string, formats ...string) map[string]string {
	all := map[string]string{}
	for _, each := range formats {
		all[each] = what
	}
	return all
}

// joined adds maps up; of two the later holds.
func joined(all ...map[string]string) map[string]string {
	sum := map[string]string{}
	for _, each := range all {
		for name, what := range each {
			sum[name] = what
		}
	}
	return sum
}

var openAIs = []string{toChat, toMistral, toCohere}

// everyFeature returns the rows of the matrix.
func everyFeature() []feature {
	all := append(conversationRows(), contentRows()...)
	all = append(append(all, toolRows()...), settingRows()...)
	return append(append(append(all, answerRows()...), ruleRows()...), endRows()...)
}

func conversationRows() []feature {
	return []feature{
		{name: "text", asks: map[string]string{byChat: ``, byResponses: ``, byMessages: ``, byGemini: ``}, sent: alike(`~TEXT`, toChat, toResponses, toMessages, toConverse, toGemini, toMistral, toCohere), came: came{finish: "stop"}},
		{
			name: "system", asks: map[string]string{
				byChat: `"messages":[{"role":"system","content":"Be terse."},{"role":"user","content":"TEXT"}]`, byResponses: `"instructions":"Be terse."`, byMessages: `"system":"Be terse."`,
				byGemini: `"systemInstruction":{"parts":[{"text":"Be terse."}]}`,
			},
			sent: joined(alike(`messages.0.role~^system$ messages.0.content~Be.terse`, openAIs...), map[string]string{
				toResponses: `instructions~Be.terse`, toMessages: `system~Be.terse`, toConverse: `system.0.text~Be.terse`, toGemini: `systemInstruction.parts.0.text~Be.terse`,
			}),
		},
		{
			name: "instructions in between", asks: map[string]string{
				byChat:      `"messages":[{"role":"user","content":"One."},{"role":"system","content":"Be terse."},{"role":"user","content":"TEXT"}]`,
				byResponses: `"input":[{"role":"user","content":"One."},{"role":"developer","content":"Be terse."},{"role":"user","content":"TEXT"}]`,
				byMessages:  `"messages":[{"role":"user","content":"One."},{"role":"system","content":"Be terse."},{"role":"user","content":"TEXT"}]`,
			},
			sent: joined(alike(`messages~Be.terse messages~TEXT`, toMessages, toConverse, toMistral, toCohere), map[string]string{
				toChat: `messages.1.role~^system$ messages.1.content~Be.terse`, toResponses: `input.1.content~Be.terse`, toGemini: `contents~Be.terse contents~TEXT`,
			}),
		},
		{
			name: "several turns", asks: map[string]string{
				byChat:      `"messages":[{"role":"user","content":"One."},{"role":"assistant","content":"Two."},{"role":"user","content":"TEXT"}]`,
				byResponses: `"input":[{"role":"user","content":"One."},{"role":"assistant","content":"Two."},{"role":"user","content":"TEXT"}]`,
				byMessages:  `"messages":[{"role":"user","content":"One."},{"role":"assistant","content":"Two."},{"role":"user","content":"TEXT"}]`,
				byGemini:    `"contents":[{"role":"user","parts":[{"text":"One."}]},{"role":"model","parts":[{"text":"Two."}]},{"role":"user","parts":[{"text":"TEXT"}]}]`,
			},
			sent: joined(alike(`messages.0~One messages.1.role~assistant messages.1.content~Two messages.2~TEXT`, toChat, toMistral, toCohere, toMessages, toConverse), map[string]string{
				toResponses: `input.1.content~Two`, toGemini: `contents.0~One contents.1.role~model contents.1.parts.0.text~Two contents.2~TEXT`,
			}),
		},
		media("image", "image/png", png, `messages.0.content.*.type~image messages.0.content~`+png, map[string]string{toConverse: `messages.0.content.*.image.source.bytes~` + png, toMessages: `messages.0.content.*.source.media_type~image/png messages.0.content.*.source.data~` + png}),
		media("document", "application/pdf", pdf, `messages.0.content~`+pdf, map[string]string{toCohere: "", toConverse: `messages.0.content.*.document.source.bytes~` + pdf, toMessages: `messages.0.content.*.source.media_type~pdf messages.0.content.*.source.data~` + pdf}),
		{
			name: "image by address", asks: map[string]string{
				byChat:      `"messages":[{"role":"user","content":[{"type":"text","text":"TEXT"},{"type":"image_url","image_url":{"url":"https://example.com/a.png"}}]}]`,
				byResponses: `"input":[{"role":"user","content":[{"type":"input_text","text":"TEXT"},{"type":"input_image","detail":"auto","image_url":"https://example.com/a.png"}]}]`,
				byMessages:  `"messages":[{"role":"user","content":[{"type":"text","text":"TEXT"},{"type":"image","source":{"type":"url","url":"https://example.com/a.png"}}]}]`,
				byGemini:    `"contents":[{"role":"user","parts":[{"text":"TEXT"},{"fileData":{"mimeType":"image/png","fileUri":"https://example.com/a.png"}}]}]`,
			},
			field: map[string]string{byChat: `^messages\[0\]\.content`, byResponses: `^input\[0\]\.content`, byMessages: `^messages\[0\]\.content`, byGemini: `^contents\[0\]\.parts`},
			sent: joined(alike(`messages.0.content.*.image_url~example.com/a.png`, openAIs...), map[string]string{
				toResponses: `input.0.content.*.image_url~example.com`, toMessages: `messages.0.content.*.source.url~example.com`, toGemini: `contents.0.parts.*.fileData.fileUri~example.com`,
			}),
		},
		{
			name: "cache marks", asks: map[string]string{
				byChat:     `"messages":[{"role":"user","content":[{"type":"text","text":"TEXT","cache_control":{"type":"ephemeral"}}]}]`,
				byMessages: `"messages":[{"role":"user","content":[{"type":"text","text":"TEXT","cache_control":{"type":"ephemeral"}}]}]`,
			},
			field: alike(`cache_control`, byChat, byMessages),
			sent:  map[string]string{toChat: `messages.0.content.0.cache_control.type~ephemeral`, toMessages: `messages.0.content.0.cache_control.type~ephemeral`, toConverse: `messages.0.content.*.cachePoint.type~default`},
		},
	}
}

// media is a file by its bytes. The pattern is that of OpenAI's format and of those like it.
func media(name, kind, bytes, pattern string, others map[string]string) feature {
	chat, responses := `{"type":"image_url","image_url":{"url":"data:`+kind+`;base64,`+bytes+`"}}`, `{"type":"input_image","detail":"auto","image_url":"data:`+kind+`;base64,`+bytes+`"}`
	if name == "document" {
		chat, responses = `{"type":"file","file":{"filename":"a.pdf","file_data":"data:`+kind+`;base64,`+bytes+`"}}`, `{"type":"input_file","filename":"a.pdf","file_data":"data:`+kind+`;base64,`+bytes+`"}`
	}
	sent := joined(alike(pattern, openAIs...), map[string]string{
		toResponses: `input.0.content~` + bytes, toGemini: `contents.0.parts.*.inlineData.data~` + bytes,
	}, others)
	for format, pattern := range sent {
		if pattern == "" {
			delete(sent, format)
		}
	}
	return feature{
		name: name, asks: map[string]string{
			byChat:      `"messages":[{"role":"user","content":[{"type":"text","text":"TEXT"},` + chat + `]}]`,
			byResponses: `"input":[{"role":"user","content":[{"type":"input_text","text":"TEXT"},` + responses + `]}]`,
			byMessages:  `"messages":[{"role":"user","content":[{"type":"text","text":"TEXT"},{"type":"` + name + `","source":{"type":"base64","media_type":"` + kind + `","data":"` + bytes + `"}}]}]`,
			byGemini:    `"contents":[{"role":"user","parts":[{"text":"TEXT"},{"inlineData":{"mimeType":"` + kind + `","data":"` + bytes + `"}}]}]`,
		},
		field: map[string]string{byChat: `^messages\[0\]\.content`, byResponses: `^input\[0\]\.content`, byMessages: `^messages\[0\]\.content`, byGemini: `^contents\[0\]\.parts`},
		sent:  sent,
	}
}

func toolRows() []feature {
	declared := joined(alike(`tools.0.function.name~lookup tools.0.function.description~Looks tools.0.function.parameters.properties.city.type~string tools.1~other`, openAIs...), map[string]string{
		toResponses: `tools.0.name~lookup tools.0.parameters.properties.city~string`, toMessages: `tools.0.name~lookup tools.0.description~Looks tools.0.input_schema.properties.city.type~string tools.1~other`,
		toConverse: `toolConfig.tools.0.toolSpec.name~lookup toolConfig.tools.0.toolSpec.description~Looks toolConfig.tools.0.toolSpec.inputSchema.json.properties.city.type~string toolConfig.tools.1~other`,
		toGemini:   `tools.0.functionDeclarations.0.name~lookup tools.0.functionDeclarations.0.description~Looks tools.0.functionDeclarations.0.parametersJsonSchema.properties.city.type~string tools.0.functionDeclarations.1~other`,
	})
	return []feature{
		{
			name: "tools, called at once", steer: "sim:calls=2 Use the lookup tool.", came: came{calls: 2, finish: "tool"}, sent: declared,
			asks: map[string]string{byChat: chatTools, byResponses: responsesTools, byMessages: messagesTools, byGemini: geminiTools},
		},
		{
			name: "a tool must be called", came: came{calls: 1, finish: "tool"},
			asks: map[string]string{
				byChat: chatTools + `,"tool_choice":"required"`, byResponses: responsesTools + `,"tool_choice":"required"`, byMessages: messagesTools + `,"tool_choice":{"type":"any"}`,
				byGemini: geminiTools + `,"toolConfig":{"functionCallingConfig":{"mode":"ANY"}}`,
			},
			sent: map[string]string{
				toChat: `tool_choice~^required$`, toResponses: `tool_choice~^required$`, toMistral: `tool_choice~^(required|any)$`, toCohere: `tool_choice~^REQUIRED$`, toMessages: `tool_choice.type~^any$`,
				toConverse: `toolConfig.toolChoice.any~^{}$`, toGemini: `toolConfig.functionCallingConfig.mode~^ANY$`,
			},
		},
		{
			name: "a named tool", came: came{calls: 1, finish: "tool"},
			asks: map[string]string{
				byChat: chatTools + `,"tool_choice":{"type":"function","function":{"name":"lookup"}}`, byResponses: responsesTools + `,"tool_choice":{"type":"function","name":"lookup"}`,
				byMessages: messagesTools + `,"tool_choice":{"type":"tool","name":"lookup"}`,
				byGemini:   geminiTools + `,"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["lookup"]}}`,
			},
			sent: map[string]string{
				toChat: `tool_choice.function.name~^lookup$`, toResponses: `tool_choice.name~^lookup$`, toMistral: `tool_choice.function.name~^lookup$`, toCohere: `tool_choice~^REQUIRED$ tools.0~lookup !tools.1`,
				toMessages: `tool_choice.name~^lookup$`, toConverse: `toolConfig.toolChoice.tool.name~^lookup$`, toGemini: `toolConfig.functionCallingConfig.allowedFunctionNames.0~^lookup$`,
			},
		},
		{
			name: "no tool", steer: "Use the lookup tool.", came: came{finish: "stop"},
			asks: map[string]string{
				byChat: chatTools + `,"tool_choice":"none"`, byResponses: responsesTools + `,"tool_choice":"none"`, byMessages: messagesTools + `,"tool_choice":{"type":"none"}`,
				byGemini: geminiTools + `,"toolConfig":{"functionCallingConfig":{"mode":"NONE"}}`,
			},
			field: map[string]string{byChat: `tool_choice`, byResponses: `tool_choice`, byMessages: `tool_choice`, byGemini: `toolConfig`},
			sent: map[string]string{
				toChat: `tool_choice~^none$`, toResponses: `tool_choice~^none$`, toMistral: `tool_choice~^none$`, toCohere: `tool_choice~^NONE$`, toMessages: `tool_choice.type~^none$`,
				toConverse: `!toolConfig`, toGemini: `toolConfig.functionCallingConfig.mode~^NONE$`,
			},
		},
		{
			name: "one call at a time", asks: map[string]string{
				byChat: chatTools + `,"parallel_tool_calls":false`, byResponses: responsesTools + `,"parallel_tool_calls":false`, byMessages: messagesTools + `,"tool_choice":{"type":"auto","disable_parallel_tool_use":true}`,
			},
			field: map[string]string{byChat: `parallel_tool_calls`, byResponses: `parallel_tool_calls`, byMessages: `tool_choice`},
			sent: map[string]string{
				toChat: `parallel_tool_calls~false`, toResponses: `parallel_tool_calls~false`, toMistral: `parallel_tool_calls~false`, toMessages: `tool_choice.disable_parallel_tool_use~true`, toConverse: `additionalModelRequestFields.tool_choice.disable_parallel_tool_use~true`,
			},
		},
		results(),
	}
}

// results is a conversation in which two tools were called at once, one of which failed where the dialect can say so.
func results() feature {
	calls := `"tool_calls":[{"id":"call_1","type":"function","function":{"name":"lookup","arguments":"{\"city\":\"Bern\"}"}},{"id":"call_2","type":"function","function":{"name":"other","arguments":"{\"city\":\"Rome\"}"}}]`
	return feature{
		name: "results of tools", steer: "sim:tokens=9", asks: map[string]string{
			byChat:      chatTools + `,"messages":[{"role":"user","content":"TEXT"},{"role":"assistant","content":null,` + calls + `},{"role":"tool","tool_call_id":"call_1","content":"Sunny."},{"role":"tool","tool_call_id":"call_2","content":"Rain."}]`,
			byResponses: responsesTools + `,"input":[{"role":"user","content":"TEXT"},{"type":"function_call","call_id":"call_1","name":"lookup","arguments":"{\"city\":\"Bern\"}"},{"type":"function_call","call_id":"call_2","name":"other","arguments":"{\"city\":\"Rome\"}"},{"type":"function_call_output","call_id":"call_1","output":"Sunny."},{"type":"function_call_output","call_id":"call_2","output":"Rain."}]`,
			byMessages:  messagesTools + `,"messages":[{"role":"user","content":"TEXT"},{"role":"assistant","content":[{"type":"tool_use","id":"call_1","name":"lookup","input":{"city":"Bern"}},{"type":"tool_use","id":"call_2","name":"other","input":{"city":"Rome"}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"call_1","content":"Sunny."},{"type":"tool_result","tool_use_id":"call_2","content":"Rain.","is_error":true}]}]`,
			byGemini:    geminiTools + `,"contents":[{"role":"user","parts":[{"text":"TEXT"}]},{"role":"model","parts":[{"functionCall":{"name":"lookup","args":{"city":"Bern"}},"thoughtSignature":"` + googlesSign + `"},{"functionCall":{"name":"other","args":{"city":"Rome"}}}]},{"role":"user","parts":[{"functionResponse":{"name":"lookup","response":{"output":"Sunny."}}},{"functionResponse":{"name":"other","response":{"error":"Rain."}}}]}]`,
		},
		sent: joined(alike(`messages.1.tool_calls.0~Bern messages.1.tool_calls.1~Rome messages.2.role~tool messages.2~Sunny messages.3~Rain`, openAIs...), map[string]string{
			toResponses: `input.1~Bern input.3~Sunny input.4~Rain`,
			toMessages:  `messages.1.content.0.input.city~Bern messages.1.content.1.input.city~Rome messages.2.content.0~Sunny messages.2.content.1~Rain`,
			toConverse:  `messages.1.content.0.toolUse.input.city~Bern messages.1.content.1.toolUse.input.city~Rome messages.2.content.0.toolResult~Sunny messages.2.content.1.toolResult~Rain`,
			toGemini:    `contents.1.parts.0.functionCall.args.city~Bern contents.1.parts.1.functionCall.args.city~Rome contents.2.parts.0.functionResponse~Sunny contents.2.parts.1.functionResponse~Rain`,
		}),
	}
}
