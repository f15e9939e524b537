"""Chinese and Japanese action words in Latin letters: pinyin and romaji, each with the word that it stands for.

The list holds the plainest words of each kind of danger. A spelling that is also a name, or another word, counts only
beside a further word of the same writing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

#: Pinyin with its tones; it is also written without them, and in one word.
_PINYIN: Final[Mapping[str, str]] = {
    "shan1 chu2": "删除",
    "shan1 diao4": "删掉",
    "qing1 kong1": "清空",
    "mo3 chu2": "抹除",
    "yi2 chu2": "移除",
    "ge2 shi4 hua4": "格式化",
    "zhuan3 zhang4": "转账",
    "fu4 kuan3": "付款",
    "zhi1 fu4": "支付",
    "hui4 kuan3": "汇款",
    "tui4 kuan3": "退款",
    "chong2 qi3": "重启",
    "shou4 quan2": "授权",
    "fa1 song4": "发送",
    "qun2 fa1": "群发",
    "bu4 shu3": "部署",
    "fa1 bu4": "发布",
    "shang4 xian4": "上线",
    "gong1 kai1": "公开",
    "dao3 chu1": "导出",
    "xiao1 hui3": "销毁",
    "qing1 chu2": "清除",
    "ting2 zhi3": "停止",
}
#: Also a name or another word: 部首 in Japanese, 小慧 as a name, 清楚.
_AMBIGUOUS_PINYIN: Final = frozenset({"bu4 shu3", "fa1 bu4", "xiao1 hui3", "qing1 chu2"})

#: Romaji as it is typed, and with long vowels left short (Hepburn without its macrons).
_ROMAJI: Final[Mapping[str, str]] = {
    "sakujo": "削除",
    "shoukyo": "消去",
    "shokyo": "消去",
    "shokika": "初期化",
    "soukin": "送金",
    "furikomi": "振込",
    "shiharai": "支払い",
    "henkin": "返金",
    "haraimodoshi": "払い戻し",
    "saikidou": "再起動",
    "saikido": "再起動",
    "soushin": "送信",
    "toukou": "投稿",
    "koukai": "公開",
    "haifu": "配信",
    "haki": "破棄",
    "teishi": "停止",
    "depuroi": "デプロイ",
}
#: Also a name or another word: 後悔 and 航海, 登校, Haifu, 覇気, 弟子, 送信 and 痩身.
_AMBIGUOUS_ROMAJI: Final = frozenset({"koukai", "toukou", "haifu", "haki", "teishi", "soushin"})

#: What stands beside such a word where the text is written so: objects, and the endings of a request.
BESIDE: Final = frozenset(
    (
        *("suoyou", "suo you", "quanbu", "yonghu", "yong hu", "shuju", "shujuku", "wenjian", "zhanghu", "huanjing"),
        *("shengchan", "kehu", "beifen", "biaoge", "jilu", "dingdan", "fuwuqi", "xiangmu", "qing ", "ba ", "gei "),
        *("subete", "zenbu", "yuuza", "yuza", "deeta", "deta", "kokyaku", "fairu", "honban", "kanryou"),
        *(" wo ", " o suru", " suru", " shite", " shiro", " kudasai", " shimasu"),
    )
)


def _spell(syllables: str) -> tuple[str, ...]:
    bare = "".join(char for char in syllables if not char.isdigit())
    return (syllables, syllables.replace(" ", ""), bare, bare.replace(" ", ""), bare.replace(" ", "-"))


def _spellings(*, ambiguous: bool) -> dict[str, str]:
    pinyin = {
        written: word
        for syllables, word in _PINYIN.items()
        if (syllables in _AMBIGUOUS_PINYIN) == ambiguous
        for written in _spell(syllables)
    }
    return pinyin | {kana: word for kana, word in _ROMAJI.items() if (kana in _AMBIGUOUS_ROMAJI) == ambiguous}


#: Spellings that stand for one word alone, and those that need another beside them.
CLEAR: Final[Mapping[str, str]] = _spellings(ambiguous=False)
AMBIGUOUS: Final[Mapping[str, str]] = _spellings(ambiguous=True)
