"""OpenAI's and Anthropic's own SDKs."""

import json

from anthropic import Anthropic
from asked import CLAUDE, KEY, OPENAI, QUESTION, URL, WORDS, asked, tell
from openai import OpenAI

openai = OpenAI(base_url=URL + "/v1", api_key=KEY, max_retries=0)
anthropic = Anthropic(base_url=URL, api_key=KEY, max_retries=0)
schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
user = [{"role": "user", "content": QUESTION}]


def chat(words):
    return {"model": OPENAI, "messages": [{"role": "user", "content": words}]}


def chat_stream(**request):
    with openai.chat.completions.stream(**request) as stream:
        for event in stream:
            if event.type == "content.delta":
                yield event.delta


def chat_loop(stream, tool):
    tools = [{"type": "function", "function": {"name": "weather", "parameters": schema, "strict": False}}]

    def ask(messages):
        if not stream:
            return openai.chat.completions.create(model=OPENAI, messages=messages, tools=tools).choices[0].message
        with openai.chat.completions.stream(model=OPENAI, messages=messages, tools=tools) as events:
            return events.get_final_completion().choices[0].message

    first = ask(user)
    call = first.tool_calls[0]
    result = {"role": "tool", "tool_call_id": call.id, "content": tool(**json.loads(call.function.arguments))}
    calls = [{"id": call.id, "type": "function", "function": {"name": "weather", "arguments": call.function.arguments}}]
    return ask([*user, {"role": "assistant", "tool_calls": calls}, result]).content


def responses_stream():
    for event in openai.responses.create(model=OPENAI, input=WORDS, stream=True):
        if event.type == "response.output_text.delta":
            yield event.delta


def responses_loop(stream, tool):
    tools = [{"type": "function", "name": "weather", "parameters": schema, "strict": False}]

    def ask(items):
        if not stream:
            return openai.responses.create(model=OPENAI, input=items, tools=tools, store=False)
        with openai.responses.stream(model=OPENAI, input=items, tools=tools, store=False) as events:
            return events.get_final_response()

    first = ask(user)
    call = next(item for item in first.output if item.type == "function_call")
    echo = {"type": "function_call", "call_id": call.call_id, "name": call.name, "arguments": call.arguments}
    result = {"type": "function_call_output", "call_id": call.call_id, "output": tool(**json.loads(call.arguments))}
    return ask([*user, echo, result]).output_text


def messages_stream():
    with anthropic.messages.stream(model=CLAUDE, max_tokens=1024, messages=[{"role": "user", "content": WORDS}]) as stream:
        yield from stream.text_stream


def messages_loop(stream, tool):
    tools = [{"name": "weather", "input_schema": schema}]

    def ask(messages):
        request = {"model": CLAUDE, "max_tokens": 1024, "messages": messages, "tools": tools}
        if not stream:
            return anthropic.messages.create(**request)
        with anthropic.messages.stream(**request) as events:
            return events.get_final_message()

    first = ask(user)
    call = next(block for block in first.content if block.type == "tool_use")
    result = {"type": "tool_result", "tool_use_id": call.id, "content": tool(**call.input)}
    echo = {"type": "tool_use", "id": call.id, "name": call.name, "input": call.input}
    last = ask([*user, {"role": "assistant", "content": [echo]}, {"role": "user", "content": [result]}])
    return last.content[0].text


tell({
    "chat": lambda: asked(lambda: openai.chat.completions.create(**chat(WORDS)).choices[0].message.content, lambda: chat_stream(**chat(WORDS)), chat_loop),
    "responses": lambda: asked(lambda: openai.responses.create(model=OPENAI, input=WORDS).output_text, responses_stream, responses_loop),
    "anthropic": lambda: asked(lambda: anthropic.messages.create(model=CLAUDE, max_tokens=1024, messages=[{"role": "user", "content": WORDS}]).content[0].text, messages_stream, messages_loop),
})
