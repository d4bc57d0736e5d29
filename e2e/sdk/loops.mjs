// Lets a model call a tool and tells it the result, whole or streamed, with each SDK.
const schema = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] }

export const question = [{ role: 'user', content: 'What is the weather in Bern?' }]

export async function chat(openai, model, stream) {
  const base = { model, messages: question, tools: [{ type: 'function', function: { name: 'weather', description: 'Tells the weather.', parameters: schema } }] }
  const ask = async (request) => stream ? openai.chat.completions.stream(request).finalChatCompletion() : openai.chat.completions.create(request)
  const first = (await ask({ ...base, tool_choice: 'required' })).choices[0]
  const call = first.message.tool_calls[0]
  const result = { role: 'tool', tool_call_id: call.id, content: 'Sunny.' }
  const last = await ask({ ...base, messages: [...question, first.message, result] })
  return { reason: first.finish_reason, tool: call.function.name, city: typeof JSON.parse(call.function.arguments).city, text: last.choices[0].message.content, end: last.choices[0].finish_reason }
}

export async function messages(anthropic, model, stream) {
  const base = { model, max_tokens: 256, messages: question, tools: [{ name: 'weather', description: 'Tells the weather.', input_schema: schema }] }
  const ask = async (request) => stream ? anthropic.messages.stream(request).finalMessage() : anthropic.messages.create(request)
  const first = await ask({ ...base, tool_choice: { type: 'any' } })
  const call = first.content.find((block) => block.type === 'tool_use')
  const result = { role: 'user', content: [{ type: 'tool_result', tool_use_id: call.id, content: 'Sunny.' }] }
  const last = await ask({ ...base, messages: [...question, { role: 'assistant', content: first.content }, result] })
  return { reason: first.stop_reason, tool: call.name, city: typeof call.input.city, text: last.content.find((block) => block.type === 'text')?.text, end: last.stop_reason, used: last.usage.input_tokens > 0 && last.usage.output_tokens > 0 }
}

export async function responses(openai, model, stream) {
  const base = { model, store: false, tools: [{ type: 'function', name: 'weather', description: 'Tells the weather.', parameters: schema, strict: false }] }
  const ask = async (request) => stream ? openai.responses.stream(request).finalResponse() : openai.responses.create(request)
  const first = await ask({ ...base, input: question, tool_choice: 'required' })
  const call = first.output.find((item) => item.type === 'function_call')
  const last = await ask({ ...base, input: [...question, ...first.output, { type: 'function_call_output', call_id: call.call_id, output: 'Sunny.' }] })
  return { reason: first.status, tool: call.name, city: typeof JSON.parse(call.arguments).city, text: last.output.find((item) => item.type === 'message')?.content[0].text, end: last.status, used: last.usage.input_tokens > 0 && last.usage.output_tokens > 0 }
}

async function gather(stream) {
  const parts = []
  let last, chunks = 0
  for await (const chunk of stream) {
    parts.push(...(chunk.candidates?.[0]?.content?.parts ?? []))
    last = chunk
    chunks++
  }
  return { parts: parts.filter((part) => part.text !== ''), last, chunks }
}

export async function once(google, model, stream, contents, config) {
  if (!stream) {
    const answer = await google.models.generateContent({ model, contents, config })
    return { parts: answer.candidates[0].content.parts, last: answer, chunks: 1 }
  }
  return gather(await google.models.generateContentStream({ model, contents, config }))
}

export const textOf = (parts) => parts.filter((part) => !part.thought).map((part) => part.text ?? '').join('')
export const counts = (answer) => answer.usageMetadata.promptTokenCount > 0 && answer.usageMetadata.candidatesTokenCount > 0

export async function generate(google, model, stream) {
  const tools = [{ functionDeclarations: [{ name: 'weather', description: 'Tells the weather.', parameters: { type: 'OBJECT', properties: { city: { type: 'STRING' } } } }] }]
  const user = { role: 'user', parts: [{ text: question[0].content }] }
  const first = await once(google, model, stream, [user], { tools, toolConfig: { functionCallingConfig: { mode: 'ANY' } } })
  const call = first.parts.find((part) => part.functionCall).functionCall
  const result = { role: 'user', parts: [{ functionResponse: { name: call.name, id: call.id, response: { output: 'Sunny.' } } }] }
  const last = await once(google, model, stream, [user, { role: 'model', parts: first.parts }, result], { tools })
  return { tool: call.name, city: typeof call.args.city, text: textOf(last.parts), end: last.last.candidates[0].finishReason, used: counts(last.last) }
}

export const forms = async (run) => ({ whole: await run(false), streamed: await run(true) })
