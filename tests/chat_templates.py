"""Chat templates in the manner of the families.

Gemma's and Llama's trim a text, Llama's begins with a date, Qwen's has a system prompt and an
empty thought, Mistral's puts a blank before the response.
"""

GEMMA = """{{ bos_token }}{% for m in messages %}
{{ '<start_of_turn>' + ('model' if m.role == 'assistant' else m.role) }}
{{ m.content | trim + '<end_of_turn>' }}
    {% endfor %}
{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}"""
LLAMA = """{{- bos_token }}{% set day = strftime_now('%d') if strftime_now is defined else '26' %}
{{- '<|start_header_id|>system<|end_header_id|>\\n\\nToday: ' + day + '<|eot_id|>' }}
{%- for m in messages %}
    {{- '<|start_header_id|>' + m['role'] + '<|end_header_id|>\\n\\n' + m['content'] | trim }}
    {{- '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}"""
QWEN = """{{- '<|im_start|>system\\n' + {'a': '<b>'} | tojson + '<|im_end|>\\n' }}
{%- for m in messages %}
    {%- set thought = '<think>\\n\\n</think>\\n\\n' if m.role == 'assistant' else '' %}
    {%- set content = m.content.split('</think>')[-1] %}
    {{- '<|im_start|>' + m.role + '\\n' + thought + content + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}
{%- endif %}"""
MISTRAL = """{{ bos_token }}{% for m in messages %}{% if m.role == 'user' -%}
<|start_header_id|>{{ m.content }}<|end_header_id|>{% else %}{% generation %}
{{- ' ' + m.content }}{% endgeneration %}{{ eos_token }}{% endif %}{% endfor %}"""
# With blanks beside what tokens take from their sides, and a thought before the response.
TURNS = """{{ bos_token }}{% for m in messages %} <|{{ m.role }}|>
 {{ '<think> </think>' if m.role == 'assistant' }}{{ m.content }} <|end|>
{% endfor %}{% if add_generation_prompt %} <|assistant|>
 <think> </think>{% endif %}"""
# In the manner of Aya and Command R, OLMo 2, SmolLM 3 and Apertus: turns with a role behind each
# start, words in place of tokens, a table of contents with the mode of thought, macros.
AYA = """{{ bos_token }}{% if messages[0]['role'] == 'system' %}
{% set loop_messages = messages[1:] %}{% set system = messages[0]['content'] %}
{% else %}{% set loop_messages = messages %}{% set system = false %}{% endif %}
{% if system != false %}{{ '<|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>' + system }}{% endif %}
{% for message in loop_messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
{{ raise_exception('Roles must alternate') }}{% endif %}{% set content = message['content'] %}
{% if message['role'] == 'user' %}
{{ '<|START_OF_TURN_TOKEN|><|USER_TOKEN|>' + content.strip() + '<|END_OF_TURN_TOKEN|>' }}
{% elif message['role'] == 'assistant' %}
{{ '<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>'  + content.strip() + '<|END_OF_TURN_TOKEN|>' }}
{% endif %}{% endfor %}{% if add_generation_prompt %}
{{ '<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>' }}{% endif %}"""
OLMO = """{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}
{{ '<|user|>\\n' + message['content'] + '\\n' }}{% elif message['role'] == 'assistant' %}
{% if not loop.last %}{{ '<|assistant|>\\n'  + message['content'] + eos_token + '\\n' }}
{% else %}{{ '<|assistant|>\\n'  + message['content'] + eos_token }}{% endif %}{% endif %}
{% if loop.last and add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}{% endfor %}"""
SMOLLM = """{%- if enable_thinking is not defined -%}{%- set enable_thinking = true -%}{%- endif -%}
{%- set mode = "/think" if enable_thinking else "/no_think" -%}
{{- "<|im_start|>system\\n## Metadata\\n\\nReasoning Mode: " ~ mode ~ "\\n\\n<|im_end|>\\n" -}}
{%- for message in messages -%}{%- set content = message.content if message.content is string -%}
{%- if message.role == "user" -%}{{ "<|im_start|>user\\n" + content + "<|im_end|>\\n" }}
{%- elif message.role == "assistant" -%}{% generation %}{%- if mode == "/think" -%}
{{ "<|im_start|>assistant\\n" + content.lstrip("\\n") + "<|im_end|>\\n" }}{%- else -%}
{{ "<|im_start|>assistant\\n<think>\\n\\n</think>\\n" + content.lstrip("\\n") + "<|im_end|>\\n" }}
{%- endif -%}{% endgeneration %}{%- endif -%}{%- endfor -%}
{%- if add_generation_prompt -%}{%- if mode == "/think" -%}{{ "<|im_start|>assistant\\n" }}
{%- else -%}{{ "<|im_start|>assistant\\n<think>\\n\\n</think>\\n" }}{%- endif -%}{%- endif -%}"""
APERTUS = """{%- macro text(content) -%}{%- if content is string -%}{{- content -}}
{%- elif content is mapping and content.parts is defined -%}{%- for part in content.parts -%}
{{- part.text -}}{%- endfor -%}{%- endif -%}{%- endmacro -%}
{{- bos_token + '<|system_start|>You are helpful.<|system_end|><|developer_start|>' -}}
{{- 'Deliberation: ' + ('enabled' if enable_thinking else 'disabled') + '\\n' -}}
{{- 'Tool Capabilities: ' + ('enabled' if tools else 'disabled') + '<|developer_end|>' -}}
{%- set ns = namespace(in_assistant=false) -%}{%- for message in messages -%}
{%- if message.role == 'user' -%}{%- set ns.in_assistant = false -%}
{{- '<|user_start|>' + text(message.content) + '<|user_end|>' -}}
{%- elif message.role == 'assistant' -%}{%- if not ns.in_assistant -%}{{- '<|assistant_start|>' -}}
{%- set ns.in_assistant = true -%}{%- endif -%}{{- text(message.content) -}}
{%- if loop.last and not add_generation_prompt -%}{{- '<|assistant_end|>' -}}{%- endif -%}
{%- endif -%}{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|assistant_start|>' -}}{%- endif -%}"""
# In the manner of Gemma 4: thoughts are channels, which earlier replies lose.
GEMMA4 = """{%- macro spoken(text) -%}{%- set ns = namespace(said='') -%}
{%- for part in text.split('<channel|>') -%}
    {%- set ns.said = ns.said + part.split('<|channel>')[0] -%}
{%- endfor -%}{{- ns.said | trim -}}{%- endmacro -%}
{{- bos_token -}}{%- set loop_messages = messages -%}
{%- if enable_thinking | default(false) or messages[0]['role'] in ['system', 'developer'] -%}
    {{- '<|turn>system\n' + ('<|think|>' if enable_thinking | default(false) else '') -}}
    {%- if messages[0]['role'] in ['system', 'developer'] -%}{{- messages[0]['content'] | trim -}}
    {%- set loop_messages = messages[1:] -%}{%- endif -%}{{- '<turn|>\n' -}}{%- endif -%}
{%- for message in loop_messages -%}
    {%- set role = 'model' if message['role'] == 'assistant' else message['role'] -%}
    {{- '<|turn>' + role + '\n' -}}{%- set content = message['content'] -%}
    {%- if content is string -%}
        {{- spoken(content) if role == 'model' else content | trim -}}
    {%- elif content is sequence -%}
        {%- for item in content if item['type'] == 'text' -%}{{- item['text'] | trim -}}
        {%- endfor -%}
    {%- endif -%}{{- '<turn|>\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|turn>model\n' -}}{%- endif -%}"""
