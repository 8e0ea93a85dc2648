"""NumPy arrays and scalars as .npy files; an array is read by a copy-on-write memory map."""

from __future__ import annotations

import io
from typing import Any, BinaryIO

from zenbook.errors import FormatError
from zenbook.formats.format import Format, Source


class NumpyFormat(Format):
    """An ndarray as .npy. Only the exact class: masked arrays, matrices and arrays of objects are pickled."""

    name = "numpy"
    suffix = ".npy"
    types = ("numpy.ndarray",)

    def accepts(self, value: Any) -> bool:
        """Whether a .npy file holds the whole dtype."""
        import numpy as np

        return type(value) is np.ndarray and _exact_dtype(value.dtype)

    def write(self, value: Any, file: BinaryIO) -> None:
        """Write the header and the array's own memory; only a strided array is copied first."""
        write_array(value, file)

    def read(self, source: Source) -> Any:
        """A writable array over the mapped file."""
        return map_array(source)

    def preview(self, value: Any) -> dict[str, Any]:
        """Shape, dtype and the first values."""
        head = value.reshape(-1)[:6] if value.flags.c_contiguous else value.ravel(order="K")[:6]
        return {"shape": list(value.shape), "dtype": str(value.dtype), "value": [str(item) for item in head.tolist()]}


class NumpyScalarFormat(Format):
    """A NumPy scalar as the .npy file of an array without dimensions."""

    name = "numpy-scalar"
    suffix = ".npy"
    types = ("numpy.generic",)

    def accepts(self, value: Any) -> bool:
        """Whether the scalar's class and value survive: a trailing NUL of a np.str_ would not."""
        import numpy as np

        dtype = getattr(value, "dtype", None)
        if (
            dtype is None
            or not _exact_dtype(dtype)
            or np.dtype(dtype.str if dtype.names is None else dtype).type is not type(value)
        ):
            return False
        return dtype.kind not in "SU" or bool(np.array(value)[()] == value)

    def write(self, value: Any, file: BinaryIO) -> None:
        """Write an array without dimensions."""
        import numpy as np

        write_array(np.array(value), file)

    def read(self, source: Source) -> Any:
        """The scalar."""
        return map_array(source).copy()[()]

    def preview(self, value: Any) -> dict[str, Any]:
        """The value as text or number, and its dtype."""
        plain = value.item()
        number = isinstance(plain, (bool, int)) or (isinstance(plain, float) and plain - plain == 0)
        return {"value": plain if number else str(value), "dtype": str(value.dtype)}


def write_array(array: Any, file: BinaryIO) -> None:
    """Write an array as .npy without copying memory that is contiguous.

    Args:
        array: The ndarray.
        file: The binary file to write to.
    """
    import numpy as np

    header = np.lib.format.header_data_from_array_1_0(array)
    try:
        np.lib.format.write_array_header_1_0(file, header)
    except ValueError:  # longer than 64 kB: a structured dtype with thousands of fields
        np.lib.format.write_array_header_2_0(file, header)
    if array.nbytes:
        flat: Any = array.T if header["fortran_order"] else np.ascontiguousarray(array)
        file.write(memoryview(flat.reshape(-1).view(np.uint8)))  # datetimes give no buffer


def map_array(source: Source) -> Any:
    """Read an array over a mapped .npy file.

    Args:
        source: The file.

    Returns:
        A writable ndarray.

    Raises:
        FormatError: It is not a .npy file.
    """
    import numpy as np

    view = source.map()
    start = io.BytesIO(view[: 1 << 20])
    try:
        version = np.lib.format.read_magic(start)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read_header(start)
        order: Any = "F" if fortran else "C"
        if not dtype.itemsize or 0 in shape:
            return np.empty(shape, dtype, order=order)
        return np.ndarray(shape, dtype, buffer=view, offset=start.tell(), order=order)
    except (ValueError, TypeError) as error:
        raise FormatError(f"{source.name} is not a readable .npy file: {error}.") from error


def _exact_dtype(dtype: Any) -> bool:
    import numpy as np

    if dtype.hasobject or dtype.metadata is not None or dtype.kind == "T":
        return False
    if dtype.names is None:
        return dtype.subdtype is None and np.dtype(dtype.str) == dtype
    try:
        again = np.lib.format.descr_to_dtype(np.lib.format.dtype_to_descr(dtype))
        str(dtype).encode("latin1")
    except (ValueError, TypeError, UnicodeEncodeError):
        return False
    return bool(again == dtype) and repr(again) == repr(dtype)
