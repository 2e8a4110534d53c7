"""What words say about wanting messages, Portuguese and English, slang and usual slips included.

Every word has one sign; a clause becomes a string of signs, its shape, which `shapes` reads. All words are folded:
small letters, no accents, no letter twice in a row.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import groupby, zip_longest


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Words in which WhatsApp users stop and start everywhere, each the whole message.
OPT_OUT_WORDS = (
    *("sair", "sai", "parar", "pare", "parem", "cancelar", "cancela", "cancele", "descadastrar", "descadastre"),
    *("descadastro", "descadastra", "remover", "remova", "remove", "excluir", "stop", "stop all", "cancel"),
    *("unsubscribe", "opt out"),
)
OPT_IN_WORDS = (
    *("voltar", "quero receber", "quero voltar", "quero receber de novo", "voltar a receber", "aceito receber"),
    *("receber", "recadastrar", "reativar", "start", "unstop", "subscribe", "opt in"),
)

# Somebody has enough, of what is not said.
DOUBTFUL_WORDS = ("chega", "basta", "para", "enough")

# Around a word that is the whole message these change nothing.
COURTESY = _set(
    "por favor pfv pfvr pfr pf gentileza favorzinho obrigado obrigada obg obgd obgda obrigadao brigado vlw valeu"
    " grato grata agradeco oi ola opa ei bom boa dia tarde noite atenciosamente atte senhor senhora moco moca gente"
    " pessoal amigo amiga please pls plz thanks thank thx ty hi hello hey dear ok certo"
)
# So do these, except around a word with a second everyday sense: "quero cancelar" is as likely about an order.
WISHING = _set(
    "eu quero queria gostaria de desejo qro kero qero pode podem me mim i want"
    " to would like wana id ja agora imediatamente now imediately so apenas somente isso sim"
)

# Sign -> the words that bear it.
_SIGNS: Mapping[str, str] = {
    # Negation.
    "n": "nao n naum nn num nunca jamais dont donot not never nem sem cant wont",
    # Wanting.
    "w": "quero qro kero qero quer queria queremos gostaria desejo desejamos preciso pretendo aceito want wana"
    " wanna wish like need",
    # Receiving: the Portuguese infinitive stands for a wish alone, the others only after wanting or stopping.
    "r": "receber reseber recebr",
    "e": "recebe recebendo receive recieve receiving recieving get geting",
    # Stopping, with the messages or anything else.
    "s": "parar pare parem stop cessar cesse cessem interromper interrompa interrompam suspender suspenda suspendam"
    " quit evitar evite evitem encerrar encerre",
    "k": "cancelar cancela cancele cancelem cancel canselar cancelamento desativar desative desativem desabilitar",
    # Sending, and what is nothing but sending.
    "t": "mandar mandem mande manda mandando enviar envie enviem envia enviando envio envios send sending enviarem"
    " mandarem encaminhar encaminhe encher entrar entre entrem",
    "c": "texting mesaging contacting spaming writing emailing caling contatar contate contatem chamar chame chamem"
    " escrever escreva escrevam ligue liguem ligar call",
    # Messages; and those that nobody would miss in another sense.
    "o": "mensagem mensagens msg msgs mensg mensage mensages mensagen mensagems mensajem mensajens menssagem mesagem"
    " mesagens mensgem msgns msgm notificacao notificacoes aviso avisos contato contatos comunicado comunicados sms"
    " email emails informativo informativos zap zaps whats mesage mesages text texts txt notification notifications"
    " contact novidade novidades",
    "p": "propaganda propagandas propagandinha promocao promocoes promo promos oferta ofertas anuncio anuncios"
    " spam spams marketing publicidade divulgacao divulgacoes newsleter newsleters campanha campanhas ad ads ofer"
    " ofers promotion promotions advertising advertisement advertisements",
    # What one may be on, and be taken off.
    "l": "lista listas list lists mailing database base transmisao broadcast",
    # Where one is written down for other ends as well.
    "f": "cadastro cadastros dados data acount grupo group",
    "x": "tirar tira tire tirem retirar retira retire retirem remover remove remova removam excluir exclua exclui"
    " excluam apagar apaga apague apaguem deletar deleta delete deletem take taken removed eliminar elimine",
    "b": "descadastrar descadastra descadastre descadastrem descadastramento descadastro unsubscribe unsubscribed"
    " desinscrever desinscreva desinscrevam",
    "y": "sair saio saia sai",
    # Going back to what was.
    "v": "voltar voltem volte volta continuar continuem continue resume",
    # Me and mine; my number.
    "i": "me mim eu meu meus minha minhas comigo nos nosso i my mine us our",
    "u": "numero num nro telefone fone celular cel nome whatsap wpp wats number phone name whatsapp",
    # More; nothing, all.
    "m": "mais more again anymore novamente novo further longer",
    "z": "nada nenhum nenhuma nenhuns qualquer tudo todas todos any anything nothing al every tipo",
    "d": "de com d",
    # What a wish may be bound to, or whose it is when it is not the writer's: then a person decides.
    "q": "hoje amanha ainda ate enquanto se quando caso depois agora antes espera voz audio audios today tomorow until"
    " til yet if when while now waiting wait later ele ela eles elas he she they did semana segunda terca quarta quinta"
    " sexta sabado domingo feriado fds madrugada cedo domingos week wekend mae pai marido"
    " esposa filho filha",
    # Orders and appointments are cancelled every day.
    "g": "pedido pedidos compra compras consulta consultas horario agendamento agenda agendado reserva exame exames"
    " entrega cartao boleto viagem pasagem hotel corrida mesa aula sesao visita evento contrato plano pagamento pix"
    " encomenda retorno cirurgia procedimento vaga matricula item produto orcamento servico nota fatura conta chip"
    " order apointment booking reservation delivery payment flight ticket meting table purchase invoice trip",
    # Threats and complaints.
    "a": "denunciar denuncio bloquear bloqueio report block procon anatel",
    "B": "perturbar perturbe perturbem incomodar incomode incomodem disturb bother bothering",
    # What somebody did to be left alone, or asks how to do.
    "A": "pedi digitei escrevi respondi mandei como how",
    # Where and when something stops or leaves is another matter.
    "h": "onde aonde where hora horas oclock",
    # What may stand between without changing anything.
    ".": "a o as os um uma uns umas esa esas ese eses esta estas este estes isto iso diso dese deses desa desas deste"
    " desta da do das dos em no na nos nas ao aos neste nese nesa nesta por para pra pro pras pros p que q sua suas seu"
    " seus voce voces vc vcs vcz ces pode podem poderia poderiam posam podes favor fazer ser daqui aqui ai ja aqui"
    " empresa loja favorzinho gentileza peco solicito to the of from this these those that your you u can could"
    " would do dis such so off at for on in it up be kindly just via pelo pela esas estou tou ta agradeco meso mesmo"
    " simplesmente entao logo dai"
    f" {' '.join(sorted(COURTESY))}",
}
# Two words that say together what neither says alone.
_PAIRS: Mapping[tuple[str, str | None], str] = {
    # What is wished and what is told sound the same: "para de mandar", "não para de chegar".
    ("para", "de"): "j",
    ("para", "com"): "j",
    ("param", "de"): "j",
    ("what", "time"): "h",
    ("em", "paz"): "a",
    ("me", "alone"): "a",
    ("e", "spam"): "a",
    ("chega", "de"): "s",
    ("basta", "de"): "s",
    ("deixar", "de"): "s",
    ("deixe", "de"): "s",
    ("deixem", "de"): "s",
    ("no", "more"): "n",
    ("no", "longer"): "n",
    ("stop", "by"): ".",
    ("stop", "at"): ".",
    ("stop", "in"): ".",
    ("parar", "em"): ".",
    ("parar", "no"): ".",
    ("parar", "na"): ".",
}
# With which a clause ends.
CONJUNCTIONS = _set("e mas pois porque pq porq and but because cause since")

_WORDS = re.compile(r"\w+")
_CLAUSE_ENDS = re.compile(r"[.,;:!?…()\n\r]+")
_REPEATED = re.compile(r"([^\W\d])\1+")
# Accents that stand alone now, apostrophes, the signs of bold and italics, and what nobody sees.
_SILENT = re.compile("['’‘`´_*~\u00ad\u0300-\u036f\u200b-\u200f\u2060-\u2064\ufe00-\ufe0f\ufeff]+")


def fold(text: str) -> str:
    """Small letters without accents, marks and repetition, so that only the words are left to differ."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    return _REPEATED.sub(r"\1", _SILENT.sub("", plain))


@lru_cache(maxsize=4_096)
def words_of_phrase(phrase: str) -> tuple[str, ...]:
    """A keyword, folded; kept, since the same few are looked for in every message."""
    return tuple(words(fold(phrase)))


def words(folded: str) -> list[str]:
    """The words of a folded text; letters that all stand apart are one word, and one that is repeated is said once."""
    found = _WORDS.findall(folded)
    if len(found) > 2 and all(len(word) == 1 for word in found):
        return [_REPEATED.sub(r"\1", "".join(found))]
    return [word for word, _ in groupby(found)]


def clauses(folded: str) -> list[list[str]]:
    """The words of each clause, cut at marks and at conjunctions."""
    found: list[list[str]] = []
    for part in _CLAUSE_ENDS.split(folded):
        found.append([])
        for word in _WORDS.findall(part):
            if word in CONJUNCTIONS:
                found.append([])
            else:
                found[-1].append(word)
    return [clause for clause in found if clause]


def shape(clause: Sequence[str]) -> str:
    """The signs of a clause, one for each word; `_` for a word that says nothing here."""
    pairs = zip_longest(clause, clause[1:])
    return "".join(_PAIRS.get(pair) or _SIGN_OF.get(pair[0], "_") for pair in pairs)


# The first sign that claims a word has it.
_SIGN_OF: dict[str, str] = {}
for _sign, _bearing in _SIGNS.items():
    for _word in _bearing.split():
        _SIGN_OF.setdefault(fold(_word), _sign)
