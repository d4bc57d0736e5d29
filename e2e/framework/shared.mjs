// What every framework is asked here, and how the answers are gathered. Each script prints what came back as JSON.
export const { EDGE_URL, VIRTUAL_KEY, MODEL, OTHER_MODEL, GEMINI_MODEL } = process.env
export const words = 'Say something.'
export const question = 'What is the weather in Bern?'
export const description = 'Tells the weather.'

// weather is the tool; it notes that it was called, and how.
export function weather() {
  const calls = []
  return { calls, run: ({ city }) => { calls.push(typeof city); return 'Sunny.' } }
}

// gather tells the pieces of a stream from one answer that came at once.
export async function gather(pieces) {
  let text = '', chunks = 0
  for await (const piece of pieces) {
    if (!piece) continue
    text += piece
    chunks++
  }
  return { text, chunks }
}

// everything asks a model in each way: { plain, streamed, loop(stream, tool) } return the text, or for streamed its pieces.
export async function everything(ways) {
  const plain = await ways.plain()
  const { text, chunks } = await gather(await ways.streamed())
  const loop = {}
  for (const [form, stream] of [['whole', false], ['streamed', true]]) {
    const tool = weather()
    loop[form] = { text: await ways.loop(stream, tool), calls: tool.calls }
  }
  return { plain, streamed: text, chunks, loop }
}
