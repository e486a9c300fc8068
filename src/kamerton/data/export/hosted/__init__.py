"""Files for hosted fine-tuning services, checked before they are uploaded.

The rules are those of OpenAI's chat (`openai-chat`) and preference (`openai-preference`) formats:

- https://developers.openai.com/api/docs/guides/supervised-fine-tuning (ten examples, turns, weights)
- https://developers.openai.com/api/docs/guides/direct-preference-optimization (inputs and outputs)
- https://platform.openai.com/docs/api-reference/fine-tuning/chat-input (keys of an example)
- https://platform.openai.com/docs/api-reference/files/create, /uploads (sizes, `.jsonl`)
- https://cookbook.openai.com/examples/chat_finetuning_data_prep (checks of content and keys)
- https://learn.microsoft.com/azure/ai-services/openai/how-to/fine-tuning (where Azure differs)
"""

from kamerton.data.export.hosted.examples import check_chat, check_preference
from kamerton.data.export.hosted.rules import RULES, Fault
from kamerton.data.export.hosted.validate import MODEL_CONTEXT, TARGETS, HostedReport, Target, validate_file

__all__ = [
    "MODEL_CONTEXT",
    "RULES",
    "TARGETS",
    "Fault",
    "HostedReport",
    "Target",
    "check_chat",
    "check_preference",
    "validate_file",
]
