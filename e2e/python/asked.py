"""What every framework is asked here, and how the answers are gathered. Each script prints what came back as JSON."""

import asyncio
import inspect
import json
import os

URL, KEY = os.environ["EDGE_URL"], os.environ["VIRTUAL_KEY"]
CLAUDE, OPENAI = os.environ["MODEL"], os.environ["OTHER_MODEL"]
WORDS, QUESTION = "Say something.", "What is the weather in Bern?"


def weather_tool():
    """Returns the tool, and the types of what it was called with."""
    calls = []

    def weather(city: str) -> str:
        """Tells the weather."""
        calls.append({"str": "string"}.get(type(city).__name__, type(city).__name__))
        return "Sunny."

    return weather, calls


async def settled(value):
    return await value if inspect.isawaitable(value) else value


async def gathered(pieces):
    """Joins the pieces of a stream, of whichever kind it is."""
    text, chunks = "", 0
    pieces = await settled(pieces)
    if hasattr(pieces, "__aiter__"):
        pieces = [piece async for piece in pieces]
    for piece in pieces:
        if piece:
            text, chunks = text + piece, chunks + 1
    return text, chunks


async def asked(plain, streamed, loop):
    """Asks a model whole, streamed, and through a loop with a tool in both ways. streamed is None where a framework has no stream."""
    found = {"plain": str(await settled(plain())).strip(), "loop": {}}
    if streamed:
        text, found["chunks"] = await gathered(streamed())
        found["streamed"] = text.strip()
    for form, stream in [("whole", False)] + ([("streamed", True)] if streamed else []):
        tool, calls = weather_tool()
        said = await settled(loop(stream, tool))
        text = said if isinstance(said, str) else (await gathered(said))[0]
        found["loop"][form] = {"text": text.strip(), "calls": calls}
    return found


def tell(found):
    async def everything():
        return {name: await one() for name, one in found.items()}

    print(json.dumps(asyncio.run(everything())))
