package e2e

// sealedThoughts are what a provider shows of thoughts that only it can read; wav and mp4 are the begins of files.
const sealedThoughts, wav, mp4 = "c2VhbGVk", "UklGRg==", "AAAAIGZ0eXA="

// contentRows are more of the rows about what is said.
func contentRows() []feature {
	const after = `,{"role":"user","content":"TEXT"}]`
	return []feature{
		{
			name: "sound", asks: map[string]string{
				byChat:   `"messages":[{"role":"user","content":[{"type":"text","text":"TEXT"},{"type":"input_audio","input_audio":{"data":"` + wav + `","format":"wav"}}]}]`,
				byGemini: `"contents":[{"role":"user","parts":[{"text":"TEXT"},{"inlineData":{"mimeType":"audio/wav","data":"` + wav + `"}}]}]`,
			},
			field: map[string]string{byChat: `^messages\[0\]\.content`, byGemini: `^contents\[0\]\.parts`},
			sent: map[string]string{
				toChat: `messages.0.content.*.input_audio.data~^` + wav + `$ messages.0.content.*.input_audio.format~^wav$`, toMistral: `messages.0.content.*.input_audio~^` + wav + `$`,
				toConverse: `messages.0.content.*.audio.source.bytes~^` + wav + `$`, toGemini: `contents.0.parts.*.inlineData.data~^` + wav + `$`,
			},
		},
		{
			name: "film", asks: map[string]string{byGemini: `"contents":[{"role":"user","parts":[{"text":"TEXT"},{"inlineData":{"mimeType":"video/mp4","data":"` + mp4 + `"}}]}]`},
			field: map[string]string{byGemini: `^contents\[0\]\.parts`}, sent: map[string]string{toGemini: `contents.0.parts.*.inlineData.data~^` + mp4 + `$`},
		},
		{
			name: "citations of a document", asks: map[string]string{
				byMessages: `"messages":[{"role":"user","content":[{"type":"text","text":"TEXT"},{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"` + pdf + `"},"citations":{"enabled":true}}]}]`,
			},
			field: map[string]string{byMessages: `^messages\[0\]\.content\[1\]\.citations`}, sent: map[string]string{toMessages: `messages.0.content.1.citations.enabled~true`},
		},
		{
			name: "sealed thoughts", steer: "sim:redacted=1", came: came{sealed: true}, asks: map[string]string{
				byChat:      chatTools + `,"messages":[{"role":"user","content":"One."},{"role":"assistant","content":"Two.","reasoning_details":[{"type":"reasoning.encrypted","data":"` + sealedThoughts + `"}]}` + after,
				byResponses: `"input":[{"role":"user","content":"One."},{"type":"reasoning","summary":[],"encrypted_content":"redacted.` + sealedThoughts + `"},{"role":"assistant","content":"Two."}` + after,
				byMessages:  `"messages":[{"role":"user","content":"One."},{"role":"assistant","content":[{"type":"redacted_thinking","data":"` + sealedThoughts + `"},{"type":"text","text":"Two."}]}` + after,
				byGemini:    `"contents":[{"role":"user","parts":[{"text":"One."}]},{"role":"model","parts":[{"text":"","thought":true,"thoughtSignature":"redacted` + sealedThoughts + `"},{"text":"Two."}]},{"role":"user","parts":[{"text":"TEXT"}]}]`,
			},
			field: map[string]string{byChat: `reasoning_details`, byResponses: `^input\[1\]`, byMessages: `^messages\[1\]\.content\[0\]`, byGemini: `^contents\[1\]\.parts`},
			sent:  map[string]string{toMessages: `messages.1.content.0.data~^` + sealedThoughts + `$`, toConverse: `messages.1.content.0.reasoningContent.redactedContent~^` + sealedThoughts + `$`},
		},
		{
			name: "begin of the answer", steer: "sim:tokens=9", asks: map[string]string{
				byChat: `"messages":[{"role":"user","content":"TEXT"},{"role":"assistant","content":"Well"}]`, byResponses: `"input":[{"role":"user","content":"TEXT"},{"role":"assistant","content":"Well"}]`,
				byMessages: `"messages":[{"role":"user","content":"TEXT"},{"role":"assistant","content":"Well"}]`, byGemini: `"contents":[{"role":"user","parts":[{"text":"TEXT"}]},{"role":"model","parts":[{"text":"Well"}]}]`,
			},
			field: map[string]string{byChat: `^messages\[1\]`, byResponses: `^input\[1\]`, byMessages: `^messages\[1\]`, byGemini: `^contents\[1\]`},
			sent: joined(alike(`messages.1.role~^assistant$ messages.1.content~Well`, toChat, toMessages, toConverse), map[string]string{
				toResponses: `input.1.content~Well`, toGemini: `contents.1.role~^model$ contents.1.parts.0.text~^Well$`, toMistral: `messages.1.prefix~true messages.1.content~Well`,
			}),
		},
		imageInResult(),
		{
			name: "document by address", asks: map[string]string{
				byResponses: `"input":[{"role":"user","content":[{"type":"input_text","text":"TEXT"},{"type":"input_file","file_url":"https://example.com/a.pdf"}]}]`,
				byMessages:  `"messages":[{"role":"user","content":[{"type":"text","text":"TEXT"},{"type":"document","source":{"type":"url","url":"https://example.com/a.pdf"}}]}]`,
				byGemini:    `"contents":[{"role":"user","parts":[{"text":"TEXT"},{"fileData":{"mimeType":"application/pdf","fileUri":"https://example.com/a.pdf"}}]}]`,
			},
			field: map[string]string{byResponses: `^input\[0\]\.content`, byMessages: `^messages\[0\]\.content`, byGemini: `^contents\[0\]\.parts`},
			sent: map[string]string{
				toResponses: `input.0.content.1.file_url~example.com`, toMessages: `messages.0.content.*.source.url~example.com`, toGemini: `contents.0.parts.*.fileData.fileUri~example.com`, toMistral: `messages.0.content.*.document_url~example.com`,
			},
		},
		{
			name: "detail of an image", asks: map[string]string{
				byChat:      `"messages":[{"role":"user","content":[{"type":"text","text":"TEXT"},{"type":"image_url","image_url":{"url":"data:image/png;base64,` + png + `","detail":"low"}}]}]`,
				byResponses: `"input":[{"role":"user","content":[{"type":"input_text","text":"TEXT"},{"type":"input_image","detail":"low","image_url":"data:image/png;base64,` + png + `"}]}]`,
			},
			field: map[string]string{byChat: `^messages\[0\]\.content\[1\]`, byResponses: `^input\[0\]\.content\[1\]`},
			sent:  joined(alike(`messages.0.content.*.image_url.detail~^low$`, openAIs...), map[string]string{toResponses: `input.0.content.1.detail~^low$`}),
		},
		{
			name: "name of who speaks", asks: map[string]string{byChat: `"messages":[{"role":"user","name":"ann","content":"TEXT"}]`},
			field: map[string]string{byChat: `^messages\[0\]\.name$`}, sent: map[string]string{toChat: `messages.0.name~^ann$`},
		},
	}
}

// imageInResult is a tool's result that is a picture beside a text.
func imageInResult() feature {
	return feature{
		name: "image in a tool's result", steer: "sim:tokens=9", asks: map[string]string{
			byResponses: responsesTools + `,"input":[{"role":"user","content":"TEXT"},{"type":"function_call","call_id":"call_1","name":"lookup","arguments":"{\"city\":\"Bern\"}"},{"type":"function_call_output","call_id":"call_1","output":[{"type":"input_text","text":"See."},{"type":"input_image","detail":"auto","image_url":"data:image/png;base64,` + png + `"}]}]`,
			byMessages:  messagesTools + `,"messages":[{"role":"user","content":"TEXT"},{"role":"assistant","content":[{"type":"tool_use","id":"call_1","name":"lookup","input":{"city":"Bern"}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"call_1","content":[{"type":"text","text":"See."},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"` + png + `"}}]}]}]`,
			byGemini:    geminiTools + `,"contents":[{"role":"user","parts":[{"text":"TEXT"}]},{"role":"model","parts":[{"functionCall":{"name":"lookup","args":{"city":"Bern"}},"thoughtSignature":"` + googlesSign + `"}]},{"role":"user","parts":[{"functionResponse":{"name":"lookup","response":{"output":"See."},"parts":[{"inlineData":{"mimeType":"image/png","data":"` + png + `"}}]}}]}]`,
		},
		sent: joined(alike(`messages.2.role~^tool$ messages.2.content~See messages.3.content~`+png, toChat, toCohere), map[string]string{
			toResponses: `input.2.output.1.image_url~` + png, toMessages: `messages.2.content.0.content.1.source.data~^` + png + `$`, toConverse: `messages.2.content.0.toolResult.content.1.image.source.bytes~^` + png + `$`,
			toGemini: `contents.2.parts~See contents.2.parts~` + png, toMistral: `messages.2.content~See messages.2.content~` + png,
		}),
	}
}

// odds asks how probable each token of the answer was.
func odds() feature {
	f := number("probabilities", `true`, map[string]string{byChat: "logprobs", byGemini: "responseLogprobs"}, map[string]string{
		toChat: `logprobs~true`, toCohere: `logprobs~true`, toResponses: `include~logprobs`, toGemini: `generationConfig.responseLogprobs~true`,
	}).with(came{odds: 1}, nil)
	f.asks[byResponses], f.field[byResponses] = `"include":["message.output_text.logprobs"]`, `^include`
	return f
}

// answerRows are the rows about what shape an answer has, and who serves it.
func answerRows() []feature {
	at := func(field, pattern string) map[string]string { return map[string]string{field: pattern} }
	return []feature{
		{
			name: "any JSON", asks: map[string]string{
				byChat: `"response_format":{"type":"json_object"}`, byResponses: `"text":{"format":{"type":"json_object"}}`, byGemini: `"generationConfig":{"maxOutputTokens":4000,"responseMimeType":"application/json"}`,
			},
			field: map[string]string{byChat: `^response_format`, byResponses: `^text\.format`, byGemini: `^generationConfig\.responseMimeType`},
			sent:  joined(alike(`response_format.type~^json_object$`, openAIs...), map[string]string{toResponses: `text.format.type~^json_object$`, toGemini: `generationConfig.responseMimeType~^application/json$`}),
		},
		{
			name: "which sequence stopped it", steer: "sim:say=Well said END and more", came: came{finish: "stop", stopped: true},
			asks: map[string]string{byChat: `"stop":["END"]`, byMessages: `"stop_sequences":["END"]`, byGemini: `"generationConfig":{"maxOutputTokens":4000,"stopSequences":["END"]}`},
			sent: alike(`~END`, toChat, toMessages, toConverse, toGemini, toMistral, toCohere), field: map[string]string{byMessages: `^stop_sequences$`, byGemini: `^generationConfig\.stopSequences$`},
		},
		number("several answers", `2`, map[string]string{byChat: "n", byGemini: "candidateCount"}, map[string]string{toChat: `n~^2$`, toMistral: `n~^2$`, toGemini: `generationConfig.candidateCount~^2$`}).with(came{answers: 2}, nil),
		odds(),
		{name: "bias of words", asks: at(byChat, `"logit_bias":{"50256":-100}`), field: at(byChat, `^logit_bias`), sent: at(toChat, `logit_bias.50256~^-100$`)},
		{
			name: "verbosity", asks: map[string]string{byChat: `"verbosity":"low"`, byResponses: `"text":{"verbosity":"low"}`}, field: map[string]string{byChat: `^verbosity`, byResponses: `^text\.verbosity`},
			sent: map[string]string{toChat: `verbosity~^low$`, toResponses: `text.verbosity~^low$`},
		},
		{
			name: "tier of service", asks: joined(alike(`"service_tier":"flex"`, byChat, byResponses), at(byGemini, `"serviceTier":"flex"`)), field: joined(alike(`^service_tier`, byChat, byResponses), at(byGemini, `^serviceTier`)),
			sent: joined(alike(`service_tier~^flex$`, toChat, toResponses), map[string]string{toConverse: `serviceTier.type~^flex$`, toGemini: `serviceTier~^flex$`, toVertex: `~TEXT`}), came: came{tier: "flex"},
		},
		{
			name: "plain service", asks: joined(alike(`"service_tier":"default"`, byChat, byResponses), map[string]string{byMessages: `"service_tier":"standard_only"`, byGemini: `"serviceTier":"standard"`}),
			sent: joined(alike(`service_tier~^default$`, toChat, toResponses), map[string]string{
				toMessages: `service_tier~^standard_only$`, toConverse: `serviceTier.type~^default$`, toGemini: `serviceTier~^standard$`, toVertex: `!serviceTier`, toVertexClaude: `~TEXT`, toMistral: `!service_tier`, toCohere: `!service_tier`,
			}),
		},
		{
			name: "spoken answers", asks: map[string]string{byChat: `"modalities":["text","audio"],"audio":{"voice":"alloy","format":"wav"}`, byGemini: `"generationConfig":{"maxOutputTokens":4000,"responseModalities":["AUDIO"]}`},
			field: map[string]string{byChat: `^(modalities|audio)$`, byGemini: `^generationConfig\.responseModalities`}, sent: map[string]string{toChat: `modalities.1~^audio$ audio.voice~^alloy$`, toGemini: `generationConfig.responseModalities.0~^AUDIO$`},
		},
		{
			name: "search of the web", asks: map[string]string{
				byChat: `"web_search_options":{}`, byResponses: `"tools":[{"type":"web_search"}]`, byMessages: `"tools":[{"type":"web_search_20250305","name":"web_search"}]`, byGemini: `"tools":[{"googleSearch":{}}]`,
			},
			field: map[string]string{byChat: `^web_search_options`, byResponses: `^tools\[0\]`, byMessages: `^tools\[0\]`, byGemini: `^tools\[0\]`},
			sent:  map[string]string{toChat: `web_search_options~.`, toResponses: `tools.0.type~^web_search$`, toMessages: `tools.0.type~^web_search_20250305$`, toGemini: `tools.0.googleSearch~.`},
		},
		{
			name: "settings of safety", asks: at(byGemini, `"safetySettings":[{"category":"HARM_CATEGORY_HARASSMENT","threshold":"BLOCK_NONE"}]`), field: at(byGemini, `^safetySettings`),
			sent: at(toGemini, `safetySettings.0.threshold~^BLOCK_NONE$`),
		},
		{
			name: "end user", asks: map[string]string{byChat: `"user":"somebody"`, byResponses: `"user":"somebody"`, byMessages: `"metadata":{"user_id":"somebody"}`},
			field: map[string]string{byChat: `^user$`, byResponses: `^user$`, byMessages: `^metadata\.user_id$`},
			sent:  map[string]string{toChat: `user~^somebody$`, toResponses: `user~^somebody$`, toMessages: `metadata.user_id~^somebody$`},
		},
	}
}
