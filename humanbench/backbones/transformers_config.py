"""Configurations of transformers: what is refused, and which keys say nothing, or nothing that is understood."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from humanbench.errors import BackboneError
from humanbench.text import nearest

EXTRA = "pip install 'humanbench[transformers]'"

IGNORED = ("architectures", "torch_dtype", "dtype", "transformers_version", "num_labels", "id2label", "label2id")
"""Keys of a configuration that say nothing of the features."""

_WORDS = """
add_cross_attention attn_implementation auto_map bad_words_ids begin_suppress_tokens bos_token_id
chunk_size_feed_forward cross_attention_hidden_size decoder_start_token_id diversity_penalty do_sample
early_stopping encoder_no_repeat_ngram_size eos_token_id exponential_decay_length_penalty finetuning_task
forced_bos_token_id forced_eos_token_id gradient_checkpointing is_decoder is_encoder_decoder length_penalty
max_length min_length model_type no_repeat_ngram_size num_beam_groups num_beams num_return_sequences
output_attentions output_hidden_states output_scores pad_token_id prefix problem_type projection_dim pruned_heads
remove_invalid_values repetition_penalty return_dict return_dict_in_generate sep_token_id suppress_tokens
task_specific_params temperature tf_legacy_loss tie_encoder_decoder tie_word_embeddings tokenizer_class top_k top_p
torchscript typical_p use_bfloat16 use_cache
"""
_OF_ALL = frozenset((*_WORDS.split(), *IGNORED))
"""Keys that versions of the library wrote into every configuration, those of pictures too."""


def library() -> Any:
    """The library; `BackboneError` where it is not installed."""
    try:
        import transformers
    except ImportError as error:
        raise BackboneError(f"this network is one of transformers, which is not installed ({EXTRA})") from error
    return transformers


def keys_of(model_type: str) -> set[str]:
    """Keys that the configuration of a model type has, their other names too."""
    config = library().AutoConfig.for_model(model_type)
    return {*config.to_dict(), *config.attribute_map}


def unknown_keys(model_type: str, document: Mapping[str, Any]) -> tuple[str, ...]:
    """Keys of a configuration that the model type does not have: whoever wrote them may have built another network."""
    known = {*keys_of(model_type), *_OF_ALL}
    return tuple(sorted(key for key in document if key not in known and not key.startswith("_")))


def check_not_quantised(document: Mapping[str, Any], name: str) -> None:
    """`BackboneError` for the configuration of quantised weights."""
    quantised = document.get("quantization_config")
    if quantised:
        method = quantised.get("quant_method", "unnamed") if isinstance(quantised, Mapping) else quantised
        raise BackboneError(
            f"{name}: its config.json says that the weights are quantised (quantization_config: {str(method)[:60]}); "
            "give weights in floating point (float32, float16 or bfloat16)"
        )


def check_activations(model_type: str, document: Mapping[str, Any]) -> None:
    """`BackboneError` for an activation that the library does not have."""
    from transformers.activations import ACT2FN

    for key, value in document.items():
        named = key.endswith(("_act", "activation", "activation_function")) and isinstance(value, str)
        if named and value not in ACT2FN:
            raise BackboneError(
                f"transformers' {model_type}: {key}={value[:60]!r} is no activation of transformers"
                f"{nearest(value[:60], list(ACT2FN))}"
            )


_NOT_USED = {
    "maskformer-swin": "its feature maps begin with the stem, of which no features are taken here; give the Swin that "
    "it was made of (its model type is swin)"
}
"""Types in the library's list of backbones that are not used -> why."""
_NO_LAST_NORM = {"Swinv2Backbone": "Swinv2Model"}
"""Class for feature maps whose files lack the last norm of the encoder -> the class of that encoder."""


def check_features(model_type: str, document: Mapping[str, Any], name: str) -> None:
    """`BackboneError` for weights of a class whose feature maps are others than the features that are taken here."""
    if model_type in _NOT_USED:
        raise BackboneError(f"{name}: transformers' {model_type} is not used here: {_NOT_USED[model_type]}")
    saved_as = str(next(iter(document.get("architectures") or ()), ""))
    if saved_as in _NO_LAST_NORM:
        raise BackboneError(
            f"{name}: was saved as transformers' {saved_as}, whose feature maps come before the last norm, and which "
            f"has none: give weights saved as {_NO_LAST_NORM[saved_as]}"
        )
    if saved_as.endswith("Backbone") and document.get("apply_layernorm") is False:
        raise BackboneError(
            f"{name}: its config.json says apply_layernorm=false, so {saved_as[:60]} gives features before the last "
            "norm, where those here come after it: set it to true if these are meant"
        )


def check_no_map_norms(names: Iterable[str], source: str) -> None:
    """`BackboneError` for the file of a class for feature maps with norms of their own (Swin, ConvNeXt, Hiera)."""
    norm = next((name for name in names if "hidden_states_norms." in name), None)
    if norm is not None:
        raise BackboneError(
            f"{source}: holds norms of feature maps ({norm}), as transformers' classes that end in Backbone save them, "
            "and the features here would be without them: give weights saved as the model itself (like SwinModel)"
        )
