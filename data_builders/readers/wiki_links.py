"""Targets of links in MediaWiki pages: links to files, categories and other languages are not part of the text.

The `siteinfo` of a dump lists the namespaces in the wiki's language. MediaWiki also accepts their English names, and in
some languages further names. `EnglishNames` replaces all of them by the English names.
"""

import re
from collections.abc import Iterable
from typing import Literal

FILE, CATEGORY, OTHER = "File", "Category", "Project"
_BY_KEY = {-2: FILE, 6: FILE, 14: CATEGORY}  # -2: media files; 6: their pages
_HIDDEN = frozenset("file image media category".split())
_NAMESPACES = frozenset(
    [
        f"{name}{talk}"
        for name in "user project mediawiki template help portal module draft".split()
        for talk in ("", " talk")
    ]
    + ["talk", "special", "file talk", "image talk", "category talk"]
)
# Prefixes of sister projects. Other short prefixes are languages, whose links are shown beside the page.
_PROJECTS = frozenset(
    "wikipedia wikt wiktionary wikisource wikibooks wikiquote wikinews wikiversity wikivoyage wikidata wikispecies "
    "wikimedia commons species meta foundation incubator mediawikiwiki metawikipedia phabricator doi arxiv bugzilla "
    "w s b n q v d c m mw voy wmf wp".split()
)
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z]+)*|simple")
# Names that MediaWiki accepts besides those of `siteinfo` (its languages/messages): former and variant names.
_FURTHER = {
    "ar": {FILE: "صورة", CATEGORY: "تصنيف"},
    "ca": {FILE: "Fitxer|Imatge", CATEGORY: "Categoria"},
    "da": {FILE: "Fil|Billede", CATEGORY: "Kategori"},
    "de": {FILE: "Datei|Bild", CATEGORY: "Kategorie"},
    "el": {FILE: "Αρχείο|Εικόνα", CATEGORY: "Κατηγορία"},
    "eo": {FILE: "Dosiero", CATEGORY: "Kategorio"},
    "es": {FILE: "Archivo|Imagen", CATEGORY: "Categoría"},
    "fr": {FILE: "Fichier", CATEGORY: "Catégorie"},
    "it": {FILE: "Immagine", CATEGORY: "Categoria"},
    "ja": {FILE: "ファイル|画像", CATEGORY: "カテゴリ"},
    "ko": {FILE: "파일|그림", CATEGORY: "분류"},
    "lt": {FILE: "Vaizdas", CATEGORY: "Kategorija"},
    "nl": {FILE: "Bestand|Afbeelding", CATEGORY: "Categorie"},
    "no": {FILE: "Fil|Bilde", CATEGORY: "Kategori"},
    "pl": {FILE: "Plik|Grafika", CATEGORY: "Kategoria"},
    "pt": {FILE: "Ficheiro|Arquivo|Imagem", CATEGORY: "Categoria"},
    "ro": {FILE: "Fișier|Fişier|Imagine", CATEGORY: "Categorie"},
    "ru": {FILE: "Файл|Изображение", CATEGORY: "Категория|К"},
    "sv": {FILE: "Fil|Bild", CATEGORY: "Kategori"},
    "zh": {FILE: "文件|檔案|档案|图像|圖像|图片|圖片|媒体|媒體|媒体文件|媒體檔案", CATEGORY: "分类|分類"},
}

Target = Literal["hidden", "elsewhere", "page"]


class EnglishNames:
    """A function that replaces namespaces in links by their English names; links that begin with a colon are kept."""

    def __init__(self, namespaces: Iterable[tuple[int, str]], language: str):
        """Take the keys and names of `siteinfo`, and the wiki's language (`zh`, `zh-hant`; "" if unknown)."""
        further = _FURTHER.get(language.lower().split("-")[0], {})
        names = {name: english for english, others in further.items() for name in others.split("|")}
        names |= {name: _BY_KEY.get(key, OTHER) for key, name in namespaces if name}
        self._english = {_folded(name): english for name, english in names.items()}
        either = "|".join(re.sub("[ _]+", "[ _]+", re.escape(name.replace(" ", "_"))) for name in names)
        self._prefix = re.compile(rf"\[\[[ _]*({either})[ _]*:", re.IGNORECASE) if names else None

    def __call__(self, text: str) -> str:
        if self._prefix is None:
            return text
        return self._prefix.sub(self._in_english, text)

    def _in_english(self, match: re.Match[str]) -> str:
        english = self._english.get(_folded(match[1]))
        return f"[[{english}:" if english else match[0]


def kind_of_target(target: str) -> Target:
    """Return the kind of a link's target by its prefix: a page, hidden (not part of the text), or elsewhere."""
    prefix, colon, _ = target.partition(":")
    prefix = prefix.strip()
    name = _folded(prefix)
    if not colon:
        return "page"
    if name in _HIDDEN:
        return "hidden"
    if name in _NAMESPACES or name in _PROJECTS:
        return "elsewhere"
    return "hidden" if _LANGUAGE.fullmatch(prefix) else "page"


def _folded(name: str) -> str:
    return " ".join(name.replace("_", " ").split()).lower()
