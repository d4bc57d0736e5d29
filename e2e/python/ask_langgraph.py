"""LangGraph: its agent graph over LangChain's models of OpenAI and Anthropic."""

import warnings

from asked import CLAUDE, KEY, OPENAI, QUESTION, URL, WORDS, asked, tell
from langchain_anthropic import ChatAnthropic
from langchain_openai import ChatOpenAI
from langgraph.prebuilt import create_react_agent

warnings.simplefilter("ignore")


def ask(llm):
    def whole(words, *tools):
        return create_react_agent(llm, tools=list(tools)).invoke({"messages": [("user", words)]})["messages"][-1].text

    def streamed(words, *tools):
        for message, _ in create_react_agent(llm, tools=list(tools)).stream({"messages": [("user", words)]}, stream_mode="messages"):
            if message.type in ("ai", "AIMessageChunk"):
                yield str(message.text)

    return lambda: asked(lambda: whole(WORDS), lambda: streamed(WORDS), lambda stream, tool: (streamed if stream else whole)(QUESTION, tool))


openai = {"model": OPENAI, "base_url": URL + "/v1", "api_key": KEY, "max_retries": 0}
tell({"chat": ask(ChatOpenAI(**openai)), "responses": ask(ChatOpenAI(use_responses_api=True, **openai)), "anthropic": ask(ChatAnthropic(model=CLAUDE, base_url=URL, api_key=KEY, max_tokens=1024, max_retries=0))})
