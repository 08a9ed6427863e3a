import pytest

from mgnm_tf.errors import DataError
from mgnm_tf.serving.http.item_list import Item
from mgnm_tf.serving.http.item_list import read_items


def test_titles_and_pictures(tmp_path):
    path = tmp_path / "items.csv"
    path.write_text(
        'title,picture,item_id\n"Tea, green",https://example.org/t.png,1\n,,2\n'
    )
    assert read_items(path) == {
        "1": Item("Tea, green", "https://example.org/t.png"),
        "2": Item("2"),
    }
    path.write_text("item_id,title\na,A\n")
    assert read_items(path) == {"a": Item("A")}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("item_id\n1\n", "title"),
        ("item_id,title\n,x\n", "row 1: `item_id` is empty"),
        ("item_id,title\n1,x\n1,y\n", "row 2: '1' stands there twice"),
        (
            "item_id,title,picture\n1,x,javascript:alert(1)\n",
            "must begin with http:// or https://",
        ),
        ("item_id,title,picture\n1,x,/etc/passwd\n", "must begin with"),
    ],
)
def test_what_cannot_be_used(tmp_path, text, sentence):
    path = tmp_path / "items.csv"
    path.write_text(text)
    with pytest.raises(DataError, match="items.csv") as error:
        read_items(path)
    assert sentence in str(error.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match=r"none\.csv"):
        read_items(tmp_path / "none.csv")
