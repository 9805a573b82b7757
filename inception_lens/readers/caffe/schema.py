"""The fields of Caffe's messages by their numbers, as far as the reader of nets uses them.

Source: `caffe.proto` of BVLC Caffe and, for the messages in FORKS, those of the forks that define them. A field of a
message has one name in both formats, so that a binary net becomes the same `TextMessage` as its prototxt.
"""

MessageSchema = dict[int, str]
"""Names of fields, by their numbers."""


def _fields(text: str) -> MessageSchema:
    words = text.split()
    return {int(number): name for name, number in zip(words[::2], words[1::2], strict=True)}


_WINDOW = "num_output 1 bias_term 2 pad 3 kernel_size 4 group 5 stride 6 pad_h 9 pad_w 10 kernel_h 11 kernel_w 12"
_PARAMETERS = (
    "transform_param", "argmax_param", "concat_param", "convolution_param", "data_param", "dropout_param",
    "dummy_data_param", "eltwise_param", "exp_param", "image_data_param", "inner_product_param", "lrn_param",
    "memory_data_param", "mvn_param", "pooling_param", "power_param", "relu_param", "slice_param", "softmax_param",
    "window_data_param",
)  # fmt: skip
"""The messages of layers that V1 and the current spelling have, in the order of their numbers below."""
_CURRENT = (100, 103, 104, 106, 107, 108, 109, 110, 111, 115, 117, 118, 119, 120, 121, 122, 123, 126, 125, 129)
_V1 = (36, 23, 9, 10, 11, 12, 26, 24, 41, 15, 17, 18, 22, 34, 19, 21, 30, 31, 39, 20)

NET = _fields("name 1 layers 2 input 3 input_dim 4 input_shape 8 layer 100")
SCHEMAS: dict[str, MessageSchema] = {
    "layer": dict(zip(_CURRENT, _PARAMETERS, strict=True))
    | _fields("name 1 type 2 bottom 3 top 4 loss_weight 5 param 6 blobs 7 prelu_param 131 spp_param 132")
    | _fields("reshape_param 133 log_param 134 flatten_param 135 reduction_param 136 embed_param 137 tile_param 138")
    | _fields("batch_norm_param 139 elu_param 140 bias_param 141 scale_param 142 input_param 143 crop_param 144")
    | _fields("parameter_param 145 recurrent_param 146 clip_param 148 permute_param 202 prior_box_param 203")
    | _fields("norm_param 206"),
    "layers": dict(zip(_V1, _PARAMETERS, strict=True))
    | _fields("layer 1 bottom 2 top 3 name 4 type 5 blobs 6 blobs_lr 7 loss_weight 35 param 1001"),
    "v0": _fields("name 1 type 2 num_output 3 biasterm 4 pad 7 kernelsize 8 group 9 stride 10 pool 11 dropout_ratio 12")
    | _fields("local_size 13 alpha 14 beta 15 k 22 batchsize 19 cropsize 20 blobs 50 blobs_lr 51 new_height 62")
    | _fields("new_width 63 concat_dim 65"),
    "param": _fields("name 1 lr_mult 3"),
    **dict.fromkeys(("shape", "input_shape"), _fields("dim 1")),
    "blobs": _fields("num 1 channels 2 height 3 width 4 shape 7"),
    "transform_param": _fields("crop_size 3 force_gray 7 resize_param 8 crop_h 11 crop_w 12"),
    "resize_param": _fields("height 3 width 4"),
    "argmax_param": _fields("out_max_val 1 top_k 2 axis 3"),
    "concat_param": _fields("concat_dim 1 axis 2"),
    "convolution_param": _fields(f"{_WINDOW} stride_h 13 stride_w 14 axis 16 dilation 18"),
    "data_param": _fields("batch_size 4 crop_size 5"),
    "dropout_param": _fields("dropout_ratio 1"),
    "dummy_data_param": _fields("num 2 channels 3 height 4 width 5 shape 6"),
    "eltwise_param": _fields("operation 1 coeff 2"),
    "exp_param": _fields("base 1 scale 2 shift 3"),
    "image_data_param": _fields("batch_size 4 crop_size 5 new_height 9 new_width 10 is_color 11"),
    "inner_product_param": _fields("num_output 1 bias_term 2 axis 5 transpose 6"),
    "lrn_param": _fields("local_size 1 alpha 2 beta 3 norm_region 4 k 5"),
    "memory_data_param": _fields("batch_size 1 channels 2 height 3 width 4"),
    "mvn_param": _fields("normalize_variance 1 across_channels 2 eps 3"),
    "pooling_param": _fields("pool 1 kernel_size 2 stride 3 pad 4 kernel_h 5 kernel_w 6 stride_h 7 stride_w 8 pad_h 9")
    | _fields("pad_w 10 global_pooling 12 round_mode 13"),
    "power_param": _fields("power 1 scale 2 shift 3"),
    "relu_param": _fields("negative_slope 1"),
    "slice_param": _fields("slice_dim 1 slice_point 2 axis 3"),
    "softmax_param": _fields("axis 2"),
    "window_data_param": _fields("batch_size 4 crop_size 5"),
    "prelu_param": _fields("channel_shared 2"),
    "spp_param": _fields("pyramid_height 1 pool 2"),
    "reshape_param": _fields("shape 1 axis 2 num_axes 3"),
    "log_param": _fields("base 1 scale 2 shift 3"),
    "flatten_param": _fields("axis 1 end_axis 2"),
    "reduction_param": _fields("operation 1 axis 2 coeff 3"),
    "embed_param": _fields("num_output 1 input_dim 2 bias_term 3"),
    "tile_param": _fields("axis 1 tiles 2"),
    "batch_norm_param": _fields("use_global_stats 1 moving_average_fraction 2 eps 3 scale_bias 7"),
    "elu_param": _fields("alpha 1"),
    "bias_param": _fields("axis 1 num_axes 2"),
    "scale_param": _fields("axis 1 num_axes 2 bias_term 4"),
    "input_param": _fields("shape 1"),
    "crop_param": _fields("axis 1 offset 2"),
    "parameter_param": _fields("shape 1"),
    "recurrent_param": _fields("num_output 1 expose_hidden 5"),
    "clip_param": _fields("min 1 max 2"),
    "permute_param": _fields("order 1"),
    "prior_box_param": _fields("min_size 1 max_size 2 aspect_ratio 3 flip 4 clip 5"),
    "norm_param": _fields("across_spatial 1 channel_shared 3"),
}
"""The fields of each message by the name of the field that holds it; `v0` is the layer inside a V1 layer."""

FORKS: dict[str, tuple[str, MessageSchema]] = {
    "Interp": ("interp_param", _fields("height 1 width 2 zoom_factor 3 shrink_factor 4 pad_beg 5 pad_end 6")),
    "PSROIPooling": ("psroi_pooling_param", _fields("spatial_scale 1 output_dim 2 group_size 3")),
    "ROIPooling": ("roi_pooling_param", _fields("pooled_h 1 pooled_w 2 spatial_scale 3")),
    "Reorg": ("reorg_param", _fields("stride 1 reverse 2")),
    "ShuffleChannel": ("shuffle_channel_param", _fields("group 1")),
    "Upsample": (
        "upsample_param",
        _fields("scale 1 scale_h 2 scale_w 3 pad_out_h 4 pad_out_w 5 upsample_h 6 upsample_w 7"),
    ),
}
"""By the type of a layer: its message, whose number in the layer differs between forks, and the message's fields."""

TEXTS = {"name", "type", "bottom", "top", "input"}
"""Fields that are strings; V1's `param` is one too."""
FLOATS = {"aspect_ratio", "blobs_lr", "coeff", "loss_weight", "max_size", "min_size"}
"""Repeated fields that are 32-bit floats, where they are packed."""
