"""AutoGen: its assistant over its client of OpenAI. What streams are the pieces of the client."""

from asked import KEY, OPENAI, QUESTION, URL, WORDS, asked, tell
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.messages import ModelClientStreamingChunkEvent
from autogen_core.models import ModelFamily
from autogen_ext.models.openai import OpenAIChatCompletionClient

can = {"family": ModelFamily.UNKNOWN, "function_calling": True, "json_output": True, "structured_output": True, "vision": False}
client = OpenAIChatCompletionClient(model=OPENAI, base_url=URL + "/v1", api_key=KEY, max_retries=0, model_info=can)


def agent(tools, stream=False):
    return AssistantAgent("assistant", client, tools=list(tools), reflect_on_tool_use=bool(tools), model_client_stream=stream)


async def whole(words, *tools):
    return (await agent(tools).run(task=words)).messages[-1].content


async def streamed(words, *tools):
    return [event.content async for event in agent(tools, True).run_stream(task=words) if isinstance(event, ModelClientStreamingChunkEvent)]


tell({"chat": lambda: asked(lambda: whole(WORDS), lambda: streamed(WORDS), lambda stream, tool: (streamed if stream else whole)(QUESTION, tool))})
