"""Where the links of a MediaWiki page lead: to files, categories and other languages, which are no text, or elsewhere.

A dump names its namespaces in its `siteinfo`, in the wiki's language; MediaWiki also takes their English names, and in
some languages further ones. `EnglishNames` writes the English ones for all of them.
"""

import re
from collections.abc import Iterable
from typing import Literal

FILE, CATEGORY, OTHER = "File", "Category", "Project"
_BY_KEY = {-2: FILE, 6: FILE, 14: CATEGORY}  # -2: files themselves, beside their pages
_HIDDEN = frozenset("file image media category".split())
_NAMESPACES = frozenset(
    [
        f"{name}{talk}"
        for name in "user project mediawiki template help portal module draft".split()
        for talk in ("", " talk")
    ]
    + ["talk", "special", "file talk", "image talk", "category talk"]
)
# Prefixes of sister projects, which lead there; other short ones are languages, whose links stand beside a page.
_PROJECTS = frozenset(
    "wikipedia wikt wiktionary wikisource wikibooks wikiquote wikinews wikiversity wikivoyage wikidata wikispecies "
    "wikimedia commons species meta foundation incubator mediawikiwiki metawikipedia phabricator doi arxiv bugzilla "
    "w s b n q v d c m mw voy wmf wp".split()
)
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z]+)*|simple")
# Names that MediaWiki takes besides those of `siteinfo` (its languages/messages): earlier ones, and those of variants.
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
    """Writes the English names of namespaces in the links of a wiki's pages; links with a colon before are left."""

    def __init__(self, namespaces: Iterable[tuple[int, str]], language: str):
        """`namespaces`: keys and names of `siteinfo`; `language`: the wiki's, `zh` or `zh-hant`, "" if unknown."""
        further = _FURTHER.get(language.lower().split("-")[0], {})
        names = {name: kind for kind, several in further.items() for name in several.split("|")}
        names |= {name: _BY_KEY.get(key, OTHER) for key, name in namespaces if name}
        self._english = {_folded(name): kind for name, kind in names.items()}
        either = "|".join(re.sub("[ _]+", "[ _]+", re.escape(name.replace(" ", "_"))) for name in names)
        self._prefix = re.compile(rf"\[\[[ _]*({either})[ _]*:", re.IGNORECASE) if names else None

    def __call__(self, text: str) -> str:
        if self._prefix is None:
            return text
        return self._prefix.sub(self._in_english, text)

    def _in_english(self, found: re.Match[str]) -> str:
        kind = self._english.get(_folded(found[1]))
        return f"[[{kind}:" if kind else found[0]


def leads_to(target: str) -> Target:
    """What the target of a link is, by its prefix: a page, or something hidden (in no text), or elsewhere."""
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
