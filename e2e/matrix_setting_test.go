package e2e

import "strings"

// settingRows are the rows about how a model answers.
func settingRows() []feature {
	all := []feature{
		{
			name: "schema of the answer", asks: map[string]string{
				byChat:      `"response_format":{"type":"json_schema","json_schema":{"name":"a","strict":true,"schema":` + answerSchema + `}}`,
				byResponses: `"text":{"format":{"type":"json_schema","name":"a","strict":true,"schema":` + answerSchema + `}}`,
				byMessages:  `"output_config":{"format":{"type":"json_schema","schema":` + answerSchema + `}}`,
				byGemini:    `"generationConfig":{"maxOutputTokens":4000,"responseMimeType":"application/json","responseJsonSchema":` + answerSchema + `}`,
			},
			field: map[string]string{byChat: `^response_format`, byResponses: `^text\.format`, byMessages: `^output_config`, byGemini: `^generationConfig\.response`},
			sent: map[string]string{
				toChat: `response_format.json_schema.schema.properties.verdict.type~string`, toMistral: `response_format.json_schema.schema.properties.verdict.type~string`, toCohere: `response_format~verdict`,
				toResponses: `text.format.schema.properties.verdict.type~string`, toMessages: `output_config.format.schema.properties.verdict.type~string`, toConverse: `outputConfig.textFormat.structure~verdict`,
				toGemini: `generationConfig.responseMimeType~json generationConfig.responseJsonSchema.properties.verdict.type~string`,
			},
		},
		{
			name: "effort of thinking", steer: "sim:reasoning=3", came: came{thought: true}, asks: map[string]string{
				byChat: `"reasoning_effort":"low"`, byResponses: `"reasoning":{"effort":"low","summary":"auto"},"include":["reasoning.encrypted_content"]`,
				byMessages: `"thinking":{"type":"enabled","budget_tokens":1024}`, byGemini: `"generationConfig":{"maxOutputTokens":4000,"thinkingConfig":{"thinkingBudget":1024,"includeThoughts":true}}`,
			},
			field: map[string]string{byChat: `^reasoning_effort`, byResponses: `^reasoning`, byMessages: `^thinking`, byGemini: `^generationConfig\.thinkingConfig`},
			sent: map[string]string{
				toChat: `reasoning_effort~.`, toResponses: `reasoning.effort~low`, toMistral: `reasoning_effort~.`, toCohere: `thinking.type~enabled`, toMessages: `thinking.type~enabled`,
				toConverse: `additionalModelRequestFields.thinking.type~enabled`, toGemini: `generationConfig.thinkingConfig~(thinkingLevel|thinkingBudget)`,
			},
		},
		signed("Claude's signed thoughts", claudesSign, claudesSign, map[string]string{
			toMistral: thinkingThere, toCohere: thinkingThere,
			toMessages: `messages.1.content.0.thinking~hm messages.1.content.0.signature~^` + claudesSign + `$`, toConverse: `messages.1.content.0.reasoningContent.reasoningText.signature~^` + claudesSign + `$`,
		}),
		signed("Google's signed thoughts", "gemini."+googlesSign, googlesSign, map[string]string{toMistral: thinkingThere, toCohere: thinkingThere, toGemini: `contents.1.parts.*.thoughtSignature~^` + googlesSign + `$`}),
	}
	return append(all,
		number("temperature", `0.5`, map[string]string{byChat: "temperature", byResponses: "temperature", byMessages: "temperature", byGemini: "temperature"}, joined(alike(`temperature~0.5`, toChat, toResponses, toMistral, toCohere, toMessages), map[string]string{toConverse: `inferenceConfig.temperature~0.5`, toGemini: `generationConfig.temperature~0.5`})),
		number("top_p", `0.5`, map[string]string{byChat: "top_p", byResponses: "top_p", byMessages: "top_p", byGemini: "topP"}, joined(alike(`top_p~0.5`, toChat, toResponses, toMistral, toMessages), map[string]string{toCohere: `p~0.5`, toConverse: `inferenceConfig.topP~0.5`, toGemini: `generationConfig.topP~0.5`})),
		number("top_k", `7`, map[string]string{byMessages: "top_k", byGemini: "topK"}, map[string]string{toMessages: `top_k~7`, toCohere: `k~7`, toConverse: `additionalModelRequestFields.top_k~7`, toGemini: `generationConfig.topK~7`}),
		number("seed", `7`, map[string]string{byChat: "seed", byGemini: "seed"}, map[string]string{toChat: `seed~7`, toMistral: `random_seed~7`, toCohere: `seed~7`, toGemini: `generationConfig.seed~7`}),
		number("frequency penalty", `0.5`, map[string]string{byChat: "frequency_penalty", byGemini: "frequencyPenalty"}, map[string]string{toChat: `frequency_penalty~0.5`, toMistral: `frequency_penalty~0.5`, toCohere: `frequency_penalty~0.5`, toGemini: `generationConfig.frequencyPenalty~0.5`}),
		number("presence penalty", `0.5`, map[string]string{byChat: "presence_penalty", byGemini: "presencePenalty"}, map[string]string{toChat: `presence_penalty~0.5`, toMistral: `presence_penalty~0.5`, toCohere: `presence_penalty~0.5`, toGemini: `generationConfig.presencePenalty~0.5`}),
		number("stop sequences", `["END"]`, map[string]string{byChat: "stop", byMessages: "stop_sequences", byGemini: "stopSequences"}, map[string]string{toChat: `stop.0~END`, toMistral: `stop.0~END`, toCohere: `stop_sequences.0~END`, toMessages: `stop_sequences.0~END`, toConverse: `inferenceConfig.stopSequences.0~END`, toGemini: `generationConfig.stopSequences.0~END`}),
		number("likeliest tokens", `2`, map[string]string{byChat: "top_logprobs", byResponses: "top_logprobs", byGemini: "logprobs"}, map[string]string{toChat: `top_logprobs~^2$ logprobs~true`, toResponses: `top_logprobs~^2$`, toGemini: `generationConfig.logprobs~^2$ generationConfig.responseLogprobs~true`}).with(came{odds: 2}, map[string]string{
			byChat: `,"logprobs":true`, byResponses: `,"include":["message.output_text.logprobs"]`, byGemini: `,"responseLogprobs":true`,
		}).refusedAs(map[string]string{byChat: `^(top_)?logprobs$`, byResponses: `^(top_logprobs|include)`, byGemini: `^generationConfig\.(l|responseL)ogprobs$`}),
	)
}

// with adds what the answer must have, and what is asked for beside the setting.
func (f feature) with(came came, more map[string]string) feature {
	f.came = came
	for dialect, each := range more {
		if rest, isObject := strings.CutSuffix(f.asks[dialect], "}"); isObject {
			f.asks[dialect] = rest + each + "}"
		} else {
			f.asks[dialect] += each
		}
	}
	return f
}

// refusedAs names the fields by which it is refused.
func (f feature) refusedAs(fields map[string]string) feature {
	f.field = fields
	return f
}

// number is a setting that every dialect writes as one value under some name.
func number(name, value string, names, sent map[string]string) feature {
	made := feature{name: name, asks: map[string]string{}, field: map[string]string{}, sent: sent}
	for dialect, each := range names {
		made.asks[dialect], made.field[dialect] = `"`+each+`":`+value, `^`+each+`$`
		if dialect == byGemini {
			made.asks[dialect], made.field[dialect] = `"generationConfig":{"maxOutputTokens":4000,"`+each+`":`+value+`}`, `^generationConfig\.`+each+`$`
		}
	}
	return made
}

// thinkingThere is how thoughts reach those who take them without a signature.
const thinkingThere = `messages.1.content.*.type~thinking messages.1.content.*.thinking~hm`

// signed is a conversation that brings thoughts back, signed by their provider: elsewhere by the first signature, in Google's own format by
// the second.
func signed(name, signature, own string, sent map[string]string) feature {
	f := feature{
		name: name, asks: map[string]string{
			byChat:      chatTools + `,"messages":[{"role":"user","content":"One."},{"role":"assistant","content":"Two.","reasoning_details":[{"type":"reasoning.text","text":"hm","signature":"` + signature + `"}]},{"role":"user","content":"TEXT"}]`,
			byResponses: `"input":[{"role":"user","content":"One."},{"type":"reasoning","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":"thinking.` + signature + `"},{"role":"assistant","content":"Two."},{"role":"user","content":"TEXT"}]`,
			byMessages:  `"messages":[{"role":"user","content":"One."},{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"` + signature + `"},{"type":"text","text":"Two."}]},{"role":"user","content":"TEXT"}]`,
			byGemini:    `"contents":[{"role":"user","parts":[{"text":"One."}]},{"role":"model","parts":[{"text":"hm","thought":true},{"text":"Two.","thoughtSignature":"` + own + `"}]},{"role":"user","parts":[{"text":"TEXT"}]}]`,
		},
		field: map[string]string{byChat: `reasoning_details`, byResponses: `^input\[1\]`, byMessages: `^messages\[1\]\.content\[0\]`, byGemini: `^contents\[1\]\.parts`}, sent: sent,
	}
	if own != signature { // thoughts of Google's model
		return f
	}
	f.asks[byGemini] = `"contents":[{"role":"user","parts":[{"text":"One."}]},{"role":"model","parts":[{"text":"hm","thought":true,"thoughtSignature":"` + own + `"},{"text":"Two."}]},{"role":"user","parts":[{"text":"TEXT"}]}]`
	return f
}

// endRows are the rows about what comes back.
func endRows() []feature {
	text := map[string]string{byChat: ``, byResponses: ``, byMessages: ``, byGemini: ``}
	every := alike(`~TEXT`, toChat, toResponses, toMessages, toConverse, toGemini, toMistral, toCohere)
	return []feature{
		{name: "classes of tokens", steer: "sim:cached=3 sim:cache_write=2 sim:reasoning=3", asks: text, sent: every},
		{
			name: "limit of output", steer: "sim:tokens=60", came: came{finish: "length"}, sent: joined(alike(`max_tokens~^20$`, toMessages, toMistral, toCohere), map[string]string{
				toChat: `max_completion_tokens~^20$`, toResponses: `max_output_tokens~^20$`, toConverse: `inferenceConfig.maxTokens~^20$`, toGemini: `generationConfig.maxOutputTokens~^20$`,
			}),
			asks: map[string]string{byChat: `"max_completion_tokens":20`, byResponses: `"max_output_tokens":20`, byMessages: `"max_tokens":20`, byGemini: `"generationConfig":{"maxOutputTokens":20}`},
		},
		{name: "errors", failing: true, asks: text, sent: every},
	}
}
