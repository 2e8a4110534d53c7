"""What the tests call in English is found on pages in Portuguese."""

import pytest

from tests.browser.languages import part, whole

SENTENCES = {
    "Sign in": "Entrar",
    "Does Rosa want no more messages?": "Rosa não quer mais receber mensagens?",
    "Import 1 person": "Importar 1 pessoa",
    "Import 60,000 people": "Importar 60.000 pessoas",
    "0 people can be imported.": "0 pessoa pode ser importada.",
    "2 get the message": "2 recebem a mensagem",
    "Not delivered: Bom dia": "Não entregue: Bom dia",
}
PARTS = {
    "has wanted no more": "Rosa não quer mais mensagens desde ontem. Responda ao que perguntar; não envie ofertas.",
    "of 1,024 characters": "12 de 1.024 caracteres",
    "QR code to link": "QR code para conectar o WhatsApp a Centro",
}


@pytest.mark.parametrize("words", SENTENCES)
def test_sentence_is_filled_in_and_counted_as_in_portuguese(words: str) -> None:
    assert whole(words) == SENTENCES[words]


@pytest.mark.parametrize("words", PARTS)
def test_part_of_a_sentence_stands_for_all_of_it(words: str) -> None:
    found = part(words)
    assert found
    assert found.fullmatch(PARTS[words])


@pytest.mark.parametrize("words", ["Rita Exemplo", "We open at nine.", "Message from Maria"])
def test_names_and_messages_stay_as_they_are(words: str) -> None:
    assert (whole(words), part(words)) == (None, None)
