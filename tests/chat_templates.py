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
