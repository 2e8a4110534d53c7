"""What the shape of one clause says: no more messages, perhaps no more messages, or nothing about them.

The signs are the vocabulary's. Nothing here looks back: each pattern is read in one pass over a short string.
"""

import re
from collections.abc import Sequence

# What may stand between two parts of a wish, and after it.
_WITHIN = "[.imdz]*"
_REST = "[.imzdu]*$"
# The messages, as what is not wanted: promotions of whatever kind, or messages and no more said about which.
_MESSAGES = "(?:p|o[.imzdu]*(?:p|$))"

# The messages, or nothing else, are what is not wanted or shall stop.
_NO_MORE: Sequence[re.Pattern[str]] = tuple(
    re.compile(pattern)
    for pattern in (
        # "não quero mais receber mensagens", "I don't want to get your offers"
        f"n[.im]*w{_WITHIN}[re]{_WITHIN}{_MESSAGES}",
        # "não quero mais receber", "não quero receber mais nada"
        f"n(?=.*m)[.im]*w{_WITHIN}[re]{_REST}",
        # "gostaria de não receber mais mensagens"
        f"n(?=.*m)[.im]*r{_WITHIN}{_MESSAGES}",
        # "não quero mais mensagens", "I don't want any more texts"; "não quero propaganda"
        f"n(?=.*m)[.im]*w{_WITHIN}{_MESSAGES}",
        f"n[.i]*w[.iz]*p{_REST}",
        # "no more messages"
        f"^[.iw]*nm[.z]*[op]{_REST}",
        # "parem de me mandar propaganda", "stop texting me", "quero parar de receber"
        f"[sj]{_WITHIN}[rect]{_WITHIN}(?:u?{_WITHIN}{_MESSAGES}|{_REST})",
        # "parem com essas mensagens", "chega de propaganda"; "cancelar o envio de mensagens"
        f"[sj]{_WITHIN}{_MESSAGES}",
        f"k{_WITHIN}t?{_WITHIN}{_MESSAGES}",
        # "não me mandem mais nada", "don't send me messages anymore", "não me ligue mais"
        f"n(?=.*m)[.im]*[tc]{_WITHIN}(?:u?{_WITHIN}{_MESSAGES}|{_REST})",
        # "favor não enviar mensagens", "não manda propaganda"
        f"^[.]*n[.i]*t[.iu]*o{_REST}",
        f"n[.im]*[tc]{_WITHIN}p",
        # "don't message me", "do not contact me again"
        f"^[.]*n[.]*(?:o|c|to)[.]*i{_REST}",
        # "me tira dessa lista", "remove my number from your list"
        r"x[.iuodzp]*l[.imudlo]*$",
        # "apaga meu número", "exclua meu contato"
        r"x[.]*i[.]*[uo][.u]*$",
        # "quero sair da lista"
        r"y[.d]*l[.imudl]*$",
        # "como faço para me descadastrar"
        r"b[.iuolzpd]*$",
    )
)
# A wish that names no messages, or something that may stand for them.
_PERHAPS: Sequence[re.Pattern[str]] = tuple(
    re.compile(pattern)
    for pattern in (
        # "não quero mais", "não quero mais nada"; "não quero receber"; "não quero mensagens"
        f"n[.i]*w{_WITHIN}m[.zid]*$",
        f"n[.im]*w{_WITHIN}[re]{_REST}",
        r"n[.i]*w[.iz]*o|^[.]*n[.]*o[.]*$",
        # "não quero receber mensagens sobre o curso"
        f"n.*[ret].*m.*[op]|n.*m.*[ret].*[op]|n[.im]*w{_WITHIN}[re].*[op]",
        # "não mandem mensagem agora", "vocês não param de mandar mensagem"
        r"n[.im]*[tc][.imz]*[op]|n[.im]*j.*[topc]",
        # "me tira", "me tira da lista de espera"; "apaguem meus dados", "quero sair do grupo"
        r"^[.]*(?:xi|ix)[.]*$|x[.iuodzp]*l|y[.d]*l|b",
        r"[xy][.iuod]*f|x[.]*i[.]*u",
        # "não me incomodem mais", "parem de perturbar"
        r"n[.im]*B|[sj][.di]*B",
        # "já pedi para sair", "como faço pra sair?"
        r"A[._]?[.]*y[.]*$",
    )
)
# "quero receber as promoções", "podem voltar a mandar mensagens", "I want to receive messages again"
_MORE = re.compile(r"^[.i]*(?:w[.iv]*[re]|v[.di]*[ret])[.imz]*[op][.imd]*$")
# "não quero parar de receber": what is asked for is that it goes on.
_GOES_ON = re.compile(r"n[.imw]*[skxyb]")
_TELLING = re.compile(r"[skjxybavB]|n.*[wrtcom]|w.*[re]")
_STOP = re.compile(r"^[^n]*[sj]|k|a")
# "vocês não param de mandar": angry, and no clear word.
_COMPLAINS = re.compile(r"n[.imw]*j")
# A stop that names something else: the more is said about that, the less it is about messages.
_MOST_ELSE = 3


def says_nothing(shape: str) -> bool:
    """Whether no word of a whole message could be part of a wish: most messages end here."""
    return not _TELLING.search(shape)


def asks_for_no_more(shape: str) -> bool:
    """Whether the clause clearly asks for no more messages."""
    is_wish = "q" not in shape and not _GOES_ON.search(shape) and not _COMPLAINS.search(shape)
    return is_wish and _matches(_NO_MORE, shape)


def asks_for_more(shape: str) -> bool:
    """Whether the clause asks for messages, and says nothing else."""
    return _MORE.search(shape) is not None


def may_ask_for_no_more(shape: str) -> bool:
    """Whether the clause may ask for it: a person should look."""
    if _GOES_ON.search(shape):
        return False
    return _matches(_NO_MORE, shape) or _matches(_PERHAPS, shape) or _is_bare_stop(shape)


def _is_bare_stop(shape: str) -> bool:
    """A stop word or a complaint with little else beside it, and not about an order, a place or an hour."""
    is_about_more = "h" in shape or ("g" in shape and "s" not in shape and "j" not in shape)
    return not is_about_more and bool(_STOP.search(shape)) and shape.count("_") <= _MOST_ELSE


def _matches(patterns: Sequence[re.Pattern[str]], shape: str) -> bool:
    return any(pattern.search(shape) for pattern in patterns)
