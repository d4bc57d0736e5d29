"""Pydantic AI, over OpenAI's formats and Anthropic's."""

from anthropic import AsyncAnthropic
from asked import CLAUDE, KEY, OPENAI, QUESTION, URL, WORDS, asked, tell
from pydantic_ai import Agent
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider

openai = OpenAIProvider(base_url=URL + "/v1", api_key=KEY)
anthropic = AnthropicProvider(anthropic_client=AsyncAnthropic(base_url=URL, api_key=KEY))


def ask(model):
    async def whole(words, tools=()):
        return (await Agent(model, tools=tools).run(words)).output

    async def streamed(words, tools=()):
        async with Agent(model, tools=tools).run_stream(words) as result:
            return [piece async for piece in result.stream_text(delta=True, debounce_by=None)]

    return lambda: asked(lambda: whole(WORDS), lambda: streamed(WORDS), lambda stream, tool: (streamed if stream else whole)(QUESTION, [tool]))


tell({"chat": ask(OpenAIChatModel(OPENAI, provider=openai)), "responses": ask(OpenAIResponsesModel(OPENAI, provider=openai)), "anthropic": ask(AnthropicModel(CLAUDE, provider=anthropic))})
