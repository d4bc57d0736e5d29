"""CrewAI: a crew of one agent, over OpenAI's format and Anthropic's."""

import asyncio

from asked import CLAUDE, KEY, OPENAI, QUESTION, URL, WORDS, asked, tell
from crewai import LLM, Agent, Crew, Task
from crewai.tools import tool as as_tool


def ask(**settings):
    def crew(words, stream, *tools):
        agent = Agent(role="Assistant", goal="Answer", backstory="Helpful.", llm=LLM(api_key=KEY, stream=stream, **settings), tools=[as_tool("weather")(one) for one in tools], verbose=False)
        return Crew(agents=[agent], tasks=[Task(description=words, expected_output="An answer", agent=agent)], verbose=False).kickoff().raw

    return lambda: asked(lambda: asyncio.to_thread(crew, WORDS, False), None, lambda stream, tool: asyncio.to_thread(crew, QUESTION, stream, tool))


tell({"chat": ask(model=OPENAI, provider="openai", base_url=URL + "/v1"), "anthropic": ask(model=CLAUDE, provider="anthropic", base_url=URL)})
