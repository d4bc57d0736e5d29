"""OpenAI's Agents SDK, over Responses and Chat Completions."""

from agents import Agent, OpenAIProvider, RunConfig, Runner, function_tool
from asked import KEY, OPENAI, QUESTION, URL, WORDS, asked, tell


def ask(use_responses):
    config = RunConfig(model_provider=OpenAIProvider(base_url=URL + "/v1", api_key=KEY, use_responses=use_responses), tracing_disabled=True)

    def agent(*tools):
        return Agent(name="assistant", model=OPENAI, tools=[function_tool(tool) for tool in tools])

    async def whole(words, *tools):
        return (await Runner.run(agent(*tools), words, run_config=config)).final_output

    async def streamed(words, *tools):
        events = Runner.run_streamed(agent(*tools), words, run_config=config).stream_events()
        return [event.data.delta async for event in events if event.type == "raw_response_event" and event.data.type == "response.output_text.delta"]

    return lambda: asked(lambda: whole(WORDS), lambda: streamed(WORDS), lambda stream, tool: (streamed if stream else whole)(QUESTION, tool))


tell({"responses": ask(True), "chat": ask(False)})
