"""What the built-in demo says: a pure function from the conversation to an answer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from providers.base import Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from providers.base import Message

_NOT_A_MODEL: Final = "I am the **built-in demo**, not a language model"

_ABOUT: Final = f"""\
# 👋 What this is

{_NOT_A_MODEL}: my answers are written in advance, so that you can see the bot at work \
before you connect a model.

**Parlance** is a self-hosted chat bot. You write to it in Telegram and watch the answer \
being written, *live*, in one message that is edited in place.

- 🧠 It remembers the conversation: tell me **“my name is Ada”**, then ask **“what is my name?”**
- ⏹ A long answer can be stopped while it is being written
- 🔌 The model behind it is yours to choose: ask **“how do I connect a model?”**
"""

_COMMANDS: Final = """\
## Commands

| Command | What it does |
|---|---|
| `/new` | starts a new conversation |
| `/stop` | stops the answer that is being written |
| `/retry` | asks the last question again |
| `/help` | lists everything the bot can do |

Anything that is not a command is a message to the model: just write.
"""

_CONNECT: Final = """\
## Connect a real model

1. Ask **@BotFather** in Telegram for a bot; it gives you a *token*.
2. Put the token and the model into `config.toml`:

```toml
[telegram]
token = "env:TELEGRAM_TOKEN"

[providers.main]
kind = "openai"    # any OpenAI-compatible server
base_url = "https://api.openai.com/v1"
api_key = "env:OPENAI_API_KEY"
model = "gpt-4o-mini"
```

3. Start it with `parlance run`. A model on your own machine works too: give its address as \
`base_url`, up to and with `/v1`.

> 🔒 `env:NAME` reads the secret from the environment, so that it stands in no file.
"""

_SHOWCASE: Final = """\
## ✨ What an answer can look like

This one was written in advance. Text can be **bold**, *italic*, ~~struck out~~ or `code`, and \
hold [links](https://github.com/).

### Code

```python
def fibonacci(n: int) -> list[int]:
    numbers = [0, 1]
    while len(numbers) < n:
        numbers.append(numbers[-1] + numbers[-2])
    return numbers[:n]
```

### A list

1. Water the plants 🌱
2. Feed the cat 🐈
   - dry food in the morning
   - a treat in the evening
3. Call home ☎️

### A table

| Planet | Moons | Day |
|---|---:|---|
| Earth 🌍 | 1 | 24 h |
| Mars 🔴 | 2 | 24.6 h |
| Jupiter 🪐 | 97 | 9.9 h |

> And a quotation: *“Brevity is the soul of wit.”*
"""

_HELLO: Final = f"""\
## Hello{{name}}! 👋

{_NOT_A_MODEL}, but I can show you around. Try one of these:

- **what are you?**
- **show me what you can do** · headings, code, a table
- **how do I connect a model?**
- **my name is Ada**, and then **what is my name?**
- **what did I say?**
"""

_OTHERWISE: Final = f"""\
You wrote:

{{quote}}

{_NOT_A_MODEL}, so I can't answer that. Once a model is connected, this is where **its** answer \
streams in.

1. **how do I connect a model?** · the settings, ready to copy
2. **show me what you can do** · what an answer can look like
3. **what did I say?** · proof that I remember our conversation ({{count}} so far)
"""

_ANSWERS: Final = (
    (r"\b(connect|set ?up|configur\w*|token|api[ _-]?key|base_url|real model)\b", _CONNECT),
    (r"\bcommands?\b|^\W*help\W*$", _COMMANDS),
    (r"\bshow me\b|\bexamples?\b|\bmarkdown\b|\bwhat can you do\b", _SHOWCASE),
    (r"\b(what|who) (are|is) (you|this|parlance)\b|\bare you\b", _ABOUT),
    (r"\babout (you|yourself|parlance|this bot)\b", _ABOUT),
)
_NAME_TOLD = re.compile(
    r"\b(?i:my name(?: is|['\u2019]s)) +([^\W\d_][\w'\u2019-]*(?: [A-Z][\w'\u2019-]*){0,2})"
)
_NAME_ASKED = re.compile(
    r"(?i)\bwhat(?: is|['\u2019]s) my name\b|\bwho am i\b|\bremember my name\b"
)
_RECAP = re.compile(
    r"(?i)\bwhat (?:did|have) (?:i|we) (?:say|said|talk\w*|tell|told|discuss\w*)\b"
    r"|\brecap\b|\bwhat do you remember\b"
)
_HELLO_SAID = re.compile(
    r"(?i)^\W*(?:hi|hello|hey|good (?:morning|day|evening)|start)\b[^?]{0,40}$"
)


def reply(messages: Sequence[Message]) -> str:
    """Return the demo's answer, in Markdown, to the last of `messages` (oldest first)."""
    said = [message.text.strip() for message in messages if message.role is Role.USER]
    question = said[-1] if said else ""
    name = _name(said)
    if _RECAP.search(question):
        return _recap(said[:-1], name)
    if _NAME_ASKED.search(question):
        return _your_name(name)
    if _NAME_TOLD.search(question):
        return f"Nice to meet you, **{name}**! 🤝\n\nAsk me *“what is my name?”* whenever you like."
    if not question or _HELLO_SAID.search(question):
        return _HELLO.replace("{name}", f", {name}" if name else "")
    for pattern, answer in _ANSWERS:
        if re.search(pattern, question, re.IGNORECASE):
            return answer
    return _otherwise(question, len(said))


def _name(said: Sequence[str]) -> str:
    """Return the name that was told last; empty: none was."""
    told = [match[1] for text in said for match in _NAME_TOLD.finditer(text)]
    return told[-1] if told else ""


def _your_name(name: str) -> str:
    if name:
        return f"Your name is **{name}**. 🙂\n\nI know it from our conversation so far."
    return "You have not told me yet. 🤔\n\nSay *“my name is …”*, and ask me again."


def _recap(earlier: Sequence[str], name: str) -> str:
    if not earlier:
        return "This is the first thing you said to me in this conversation. 🌱"
    lines = [f"{number}. {_brief(text)}" for number, text in enumerate(earlier, 1)]
    known = f"\n\nAnd your name is **{name}**." if name else ""
    return "\n".join(("## 📝 What you said so far", "", *lines)) + known


def _otherwise(question: str, count: int) -> str:
    quote = "\n".join(f"> {line}" for line in question.splitlines())
    counted = "1 message" if count == 1 else f"{count} messages"
    return _OTHERWISE.replace("{count}", counted).replace("{quote}", quote)


def _brief(text: str, limit: int = 100) -> str:
    line = " ".join(text.split()) or "(no text)"
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
