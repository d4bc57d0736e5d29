// Asks each model of MODEL for embeddings with OpenAI's SDK, which wants base64 and decodes it, and with Google's. Prints as JSON whether each
// gives as many vectors as texts, the same vector for the same text however it is asked for, and counts tokens.
import { GoogleGenAI } from '@google/genai'
import OpenAI from 'openai'

const { EDGE_URL, VIRTUAL_KEY, MODEL } = process.env
const openai = new OpenAI({ baseURL: EDGE_URL + '/v1', apiKey: VIRTUAL_KEY, maxRetries: 0 })
const google = new GoogleGenAI({ apiKey: VIRTUAL_KEY, httpOptions: { baseUrl: EDGE_URL } })
const texts = ['one text', 'another text', 'and a third one']
const found = {}

const near = (a, b) => a.length > 0 && a.length === b.length && a.every((value, i) => Math.abs(value - b[i]) < 1e-6)

for (const model of MODEL.split(',')) {
  const all = await openai.embeddings.create({ model, input: texts, dimensions: 256 })
  const one = await openai.embeddings.create({ model, input: texts[1], dimensions: 256, encoding_format: 'float' })
  const config = { outputDimensionality: 256 }
  const several = await google.models.embedContent({ model, contents: texts, config })
  const single = await google.models.embedContent({ model, contents: texts[1], config })
  const wanted = one.data[0].embedding
  found[model] = {
    counts: [all.data.length, one.data.length, several.embeddings.length, single.embeddings.length], length: wanted.length,
    same: [all.data[1].embedding, several.embeddings[1].values, single.embeddings[0].values].map((vector) => near(vector, wanted)),
    apart: !near(all.data[0].embedding, wanted), tokens: all.usage.prompt_tokens,
  }
}
console.log(JSON.stringify(found))
