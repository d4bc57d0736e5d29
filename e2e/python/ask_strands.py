"""Strands Agents, over its models of OpenAI and Anthropic. It streams always; plain is what its agent returns at the end."""

from asked import CLAUDE, KEY, OPENAI, QUESTION, URL, WORDS, asked, tell
from strands import Agent, tool as as_tool
from strands.models.anthropic import AnthropicModel
from strands.models.openai import OpenAIModel


def ask(model):
    def agent(*tools):
        return Agent(model=model, tools=[as_tool(one) for one in tools], callback_handler=None)

    async def streamed(words, *tools):
        return [event["data"] async for event in agent(*tools).stream_async(words) if "data" in event]

    async def whole(words, *tools):
        return str(await agent(*tools).invoke_async(words))

    return lambda: asked(lambda: whole(WORDS), lambda: streamed(WORDS), lambda stream, tool: (streamed if stream else whole)(QUESTION, tool))


tell({
    "chat": ask(OpenAIModel(model_id=OPENAI, client_args={"base_url": URL + "/v1", "api_key": KEY, "max_retries": 0})),
    "anthropic": ask(AnthropicModel(model_id=CLAUDE, max_tokens=1024, client_args={"base_url": URL, "api_key": KEY, "max_retries": 0})),
})
