"""How to classify a photo with an exported file alone: a few lines of Python for each format.

They need the format's runtime, NumPy and Pillow, and nothing of this project.
"""

_PHOTO = """\
size, kernel = about["image"]["size"], about["image"]["kernel"].upper()
photo = ImageOps.exif_transpose(Image.open("photo.jpg")).convert("RGB")
if about["image"]["crop"] == "centre":
    side = min(photo.size)
    x, y = (photo.width - side) // 2, (photo.height - side) // 2
    photo = photo.crop((x, y, x + side, y + side))
photo = photo.resize((size, size), Image.Resampling[kernel])
"""
_ANSWER = 'print(about["classes"][p.argmax()], p.max())\n'

_KERAS = """\
import json, keras, numpy, zipfile
from PIL import Image, ImageOps
about = json.loads(zipfile.ZipFile("exported.keras").read("transfer.json"))
{photo}\
p = keras.saving.load_model("exported.keras").predict(numpy.asarray(photo)[None])[0]
{answer}"""

_ONNX = """\
import json, numpy, onnxruntime
from PIL import Image, ImageOps
session = onnxruntime.InferenceSession("exported.onnx")
about = json.loads(session.get_modelmeta().custom_metadata_map["transfer"])
{photo}\
p = session.run(["probabilities"], {{"image": numpy.asarray(photo)[None]}})[0][0]
{answer}"""

# On a CPU with bfloat16 OpenVINO computes in it unless told otherwise.
_OPENVINO = """\
import json, numpy, openvino
from PIL import Image, ImageOps
model = openvino.Core().read_model("exported/model.xml")
about = json.loads(model.get_rt_info("transfer").value)
{photo}\
run = openvino.compile_model(model, "CPU", {{"INFERENCE_PRECISION_HINT": "f32"}})
p = run({{"image": numpy.asarray(photo)[None]}})["probabilities"][0]
{answer}"""

_TFLITE = """\
import json, numpy, zipfile
from PIL import Image, ImageOps
from ai_edge_litert.interpreter import Interpreter
about = json.loads(zipfile.ZipFile("exported.tflite").read("transfer.json"))
{photo}\
run = Interpreter("exported.tflite").get_signature_runner()
p = run(image=numpy.asarray(photo)[None])["probabilities"][0]
{answer}"""

SNIPPETS = {
    name: text.format(photo=_PHOTO, answer=_ANSWER)
    for name, text in (
        ("keras", _KERAS),
        ("onnx", _ONNX),
        ("openvino", _OPENVINO),
        ("tflite", _TFLITE),
    )
}

EPILOG = (
    "The file alone classifies a photo, as below.  A .keras and a .tflite file are zip archives\n"
    "too, with labels.txt and transfer.json.\n"
) + "".join(
    f"\n{name}:\n" + "".join(f"    {line}\n" for line in text.splitlines())
    for name, text in SNIPPETS.items()
)
