"""Freeze: some of the model's own weights move."""

from __future__ import annotations

import torch

from kamerton.ground.errors import RecipeError
from kamerton.recipe import FreezeMethod

__all__ = ["freeze"]


def freeze(model: torch.nn.Module, method: FreezeMethod) -> None:
    """Let the layers and modules move that the method names, and a classification head; nothing else.

    Raises:
        RecipeError: the model has fewer layers, or no such module.
    """
    moving = [*_in_layers(model, method), *(_named(model, name) for name in method.extra_modules)]
    if isinstance(head := getattr(model, "score", None), torch.nn.Module):
        moving.append(head)
    model.requires_grad_(False)
    for module in moving:
        module.requires_grad_(True)


def _in_layers(model: torch.nn.Module, method: FreezeMethod) -> list[torch.nn.Module]:
    layers = _layers(model)
    count = abs(method.layers)
    if count > len(layers):
        raise RecipeError(
            f"the model has {len(layers)} layers, not {count}", where="method.layers", mend="set method.kind=full"
        )
    if not count:
        return []
    chosen = layers[-count:] if method.layers > 0 else layers[:count]
    if method.modules == "all":
        return chosen
    return [_inside(layer, name) for layer in chosen for name in method.modules]


def _layers(model: torch.nn.Module) -> list[torch.nn.Module]:
    """The decoder layers: the first list of modules (what lists there are besides are inside of layers)."""
    lists = [module for module in model.modules() if isinstance(module, torch.nn.ModuleList)]
    return list(lists[0]) if lists else []


def _inside(layer: torch.nn.Module, name: str) -> torch.nn.Module:
    """The part of a layer with this name, at any depth."""
    found: list[torch.nn.Module] = [part for path, part in layer.named_modules() if f".{path}".endswith(f".{name}")]
    if not found:
        known = sorted({path.rsplit(".", 1)[-1] for path, module in layer.named_modules() if path and _has(module)})
        raise RecipeError(
            f"a layer of this model has no part {name}", where="method.modules", expected=f"some of: {', '.join(known)}"
        )
    return found[0]


def _named(model: torch.nn.Module, name: str) -> torch.nn.Module:
    """The module outside the layers with this name."""
    layers = {id(part) for layer in _layers(model) for part in layer.modules()}
    outside: dict[str, torch.nn.Module] = {
        path: module
        for path, module in model.named_modules()
        if _has(module) and not any(id(part) in layers for part in module.modules())
    }
    for path, module in outside.items():
        if name and f".{path}".endswith(f".{name}"):
            return module
    known = sorted(path for path, module in outside.items() if not list(module.children()))
    raise RecipeError(
        f"the model has no module {name} outside its layers",
        where="method.extra_modules",
        expected=f"some of: {', '.join(known)}",
    )


def _has(module: torch.nn.Module) -> bool:
    return next(module.parameters(), None) is not None
