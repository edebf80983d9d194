//! Rows of Apache Parquet: of each row group, some rows of every column that is used at a time.

use std::fs::File;
use std::path::Path;

use parquet::basic::ConvertedType;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{BoolType, ByteArrayType, DataType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader as _, RowGroupReader, SerializedFileReader};
use stocktake_domain::Reported;

use crate::columns::Columns;
use crate::row::{self, Fields};
use crate::{ReportError, Row};

/// Rows of each column that are in memory at a time.
const AT_ONCE: usize = 4096;

/// Reads all rows of a file; returns how many there were.
pub(crate) fn read(
    file: &Path,
    columns: &Columns,
    progress: &mut impl FnMut(u64),
    each: &mut impl FnMut(Row<'_>) -> Result<(), String>,
) -> Result<u64, ReportError> {
    let unread = |source| ReportError::Read { file: file.to_owned(), source };
    let wrong = |error: ParquetError| ReportError::File { file: file.to_owned(), reason: told(&error) };
    let reader = SerializedFileReader::new(File::open(file).map_err(unread)?).map_err(wrong)?;
    let places =
        places(&reader, columns).map_err(|reason| ReportError::File { file: file.to_owned(), reason })?;
    let mut number = 0;
    for index in 0..reader.num_row_groups() {
        let group = reader.get_row_group(index).map_err(wrong)?;
        let mut batches = Batches::new(&*group, &places).map_err(wrong)?;
        while batches.next(AT_ONCE).map_err(wrong)? > 0 {
            for at in 0..batches.length {
                number += 1;
                let fields = Fetched { batches: &batches, at };
                each_row(&fields, columns, each).map_err(|reason| ReportError::Row {
                    file: file.to_owned(),
                    number,
                    reason,
                })?;
            }
        }
        progress(u64::try_from(group.metadata().compressed_size()).unwrap_or(0));
    }
    Ok(number)
}

fn each_row(
    fields: &Fetched<'_>,
    columns: &Columns,
    each: &mut impl FnMut(Row<'_>) -> Result<(), String>,
) -> Result<(), String> {
    let key = fields.text(columns.key)?.ok_or("the key is empty")?;
    let bucket = columns.bucket.map_or(Ok(None), |column| fields.text(column))?;
    let said: Option<Reported> = row::said(fields, columns)?;
    each(Row { bucket, key, said })
}

fn told(error: &ParquetError) -> String {
    format!("not Parquet that can be read: {error}")
}

/// Where the file has the columns that are used, by the numbers of these.
fn places(reader: &SerializedFileReader<File>, columns: &Columns) -> Result<Vec<Option<usize>>, String> {
    let schema = reader.metadata().file_metadata().schema_descr();
    let mut places = vec![None; columns.names.len()];
    for column in columns.used() {
        let name = columns.names.get(column).map(String::as_str).unwrap_or_default();
        let is_same = |index: &usize| schema.column(*index).path().string() == name;
        let found = (0..schema.num_columns()).find(is_same);
        let found = found.ok_or_else(|| format!("it has no column {name}"))?;
        let described = schema.column(found);
        if described.max_rep_level() > 0 || described.converted_type() == ConvertedType::LIST {
            return Err(format!("its column {name} is a list"));
        }
        if let Some(place) = places.get_mut(column) {
            *place = Some(found);
        }
    }
    Ok(places)
}

/// Some rows of a row group, column by column; `None` of a column that is not used.
struct Batches {
    columns: Vec<Option<Column>>,
    length: usize,
}

impl Batches {
    fn new(group: &dyn RowGroupReader, places: &[Option<usize>]) -> Result<Self, ParquetError> {
        let schema = group.metadata().schema_descr();
        let open = |place: &Option<usize>| {
            let column = place.map(|place| {
                Column::new(group.get_column_reader(place)?, schema.column(place).max_def_level())
            });
            column.transpose()
        };
        Ok(Self { columns: places.iter().map(open).collect::<Result<_, _>>()?, length: 0 })
    }

    /// Goes on to the next rows; returns how many there are.
    fn next(&mut self, at_once: usize) -> Result<usize, ParquetError> {
        let mut lengths = Vec::new();
        for column in self.columns.iter_mut().flatten() {
            lengths.push(column.next(at_once)?);
        }
        self.length = lengths.first().copied().unwrap_or(0);
        if lengths.iter().any(|length| *length != self.length) {
            return Err(ParquetError::General("its columns have different numbers of rows".to_owned()));
        }
        Ok(self.length)
    }
}

/// A column of a row group.
enum Column {
    Text(Values<ByteArrayType>),
    Number(Values<Int64Type>),
    Truth(Values<BoolType>),
}

impl Column {
    fn new(reader: ColumnReader, deepest: i16) -> Result<Self, ParquetError> {
        match reader {
            ColumnReader::ByteArrayColumnReader(reader) => Ok(Self::Text(Values::new(reader, deepest))),
            ColumnReader::Int64ColumnReader(reader) => Ok(Self::Number(Values::new(reader, deepest))),
            ColumnReader::BoolColumnReader(reader) => Ok(Self::Truth(Values::new(reader, deepest))),
            _ => Err(ParquetError::General("a column is neither text nor number nor truth value".to_owned())),
        }
    }

    fn next(&mut self, at_once: usize) -> Result<usize, ParquetError> {
        match self {
            Self::Text(values) => values.next(at_once),
            Self::Number(values) => values.next(at_once),
            Self::Truth(values) => values.next(at_once),
        }
    }
}

/// The values of some rows of one column.
struct Values<T: DataType> {
    reader: ColumnReaderImpl<T>,
    /// The level at which a value is defined; 0 if each row has one.
    deepest: i16,
    /// Of the rows that have one.
    found: Vec<T::T>,
    levels: Vec<i16>,
    /// The index of each row's value.
    places: Vec<Option<usize>>,
}

impl<T: DataType> Values<T> {
    fn new(reader: ColumnReaderImpl<T>, deepest: i16) -> Self {
        Self { reader, deepest, found: Vec::new(), levels: Vec::new(), places: Vec::new() }
    }

    fn next(&mut self, at_once: usize) -> Result<usize, ParquetError> {
        self.found.clear();
        self.levels.clear();
        self.places.clear();
        let (rows, ..) = self.reader.read_records(at_once, Some(&mut self.levels), None, &mut self.found)?;
        let mut values = 0..self.found.len();
        if self.deepest == 0 {
            self.places.extend(values.map(Some));
        } else {
            let deepest = self.deepest;
            self.places
                .extend(self.levels.iter().map(|level| if *level == deepest { values.next() } else { None }));
        }
        Ok(rows)
    }

    fn get(&self, row: usize) -> Option<&T::T> {
        self.found.get((*self.places.get(row)?)?)
    }
}

/// One row of those that are in memory.
struct Fetched<'a> {
    batches: &'a Batches,
    at: usize,
}

impl Fetched<'_> {
    fn column(&self, column: usize) -> Option<&Column> {
        self.batches.columns.get(column)?.as_ref()
    }
}

impl Fields for Fetched<'_> {
    fn text(&self, column: usize) -> Result<Option<&str>, String> {
        let Some(Column::Text(values)) = self.column(column) else {
            return Err("a column of texts has other values".to_owned());
        };
        let text = values.get(self.at).map(|bytes| std::str::from_utf8(bytes.data()));
        let text = text.transpose().map_err(|_| "not UTF-8".to_owned())?;
        Ok(text.filter(|text| !text.is_empty()))
    }

    fn number(&self, column: usize) -> Result<Option<u64>, String> {
        let Some(Column::Number(values)) = self.column(column) else {
            return Err("a column of numbers has other values".to_owned());
        };
        let number = values.get(self.at);
        number.map(|number| u64::try_from(*number).map_err(|_| format!("{number} is no size"))).transpose()
    }

    fn truth(&self, column: usize) -> Result<Option<bool>, String> {
        let Some(Column::Truth(values)) = self.column(column) else {
            return Err("a column of truth values has others".to_owned());
        };
        Ok(values.get(self.at).copied())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parquet::basic::{Compression, GzipLevel};
    use parquet::data_type::ByteArray;
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;

    use super::*;

    const SCHEMA: &str = "message s3.inventory { required binary bucket (UTF8); required binary key (UTF8); optional \
        boolean is_latest; optional boolean is_delete_marker; optional int64 size; optional binary e_tag (UTF8); optional \
        boolean is_multipart_uploaded; optional binary encryption_status (UTF8);}";

    /// Writes rows of key, size and whether it is the latest version, `group` to a row group.
    fn write(file: &Path, rows: &[(&str, Option<i64>, bool)], group: usize, compression: Compression) {
        let schema = Arc::new(parse_message_type(SCHEMA).unwrap());
        let properties = Arc::new(WriterProperties::builder().set_compression(compression).build());
        let mut writer = SerializedFileWriter::new(File::create(file).unwrap(), schema, properties).unwrap();
        for rows in rows.chunks(group) {
            let mut group = writer.next_row_group().unwrap();
            let texts = |text: fn(&(&str, Option<i64>, bool)) -> String| -> Vec<ByteArray> {
                rows.iter().map(|row| ByteArray::from(text(row).as_bytes())).collect()
            };
            let all = vec![1; rows.len()];
            let mut index = 0;
            while let Some(mut column) = group.next_column().unwrap() {
                match index {
                    0 => column.typed::<ByteArrayType>().write_batch(&texts(|_| "b".to_owned()), None, None),
                    1 => column.typed::<ByteArrayType>().write_batch(
                        &texts(|row| row.0.to_owned()),
                        None,
                        None,
                    ),
                    2 => {
                        let values: Vec<bool> = rows.iter().map(|row| row.2).collect();
                        column.typed::<BoolType>().write_batch(&values, Some(&all), None)
                    }
                    4 => {
                        let values: Vec<i64> = rows.iter().filter_map(|row| row.1).collect();
                        let levels: Vec<i16> = rows.iter().map(|row| i16::from(row.1.is_some())).collect();
                        column.typed::<Int64Type>().write_batch(&values, Some(&levels), None)
                    }
                    5 => column.typed::<ByteArrayType>().write_batch(
                        &texts(|_| "ab".repeat(16)),
                        Some(&all),
                        None,
                    ),
                    7 => column.typed::<ByteArrayType>().write_batch(
                        &texts(|_| "SSE-S3".to_owned()),
                        Some(&all),
                        None,
                    ),
                    _ => column.typed::<BoolType>().write_batch(&vec![false; rows.len()], Some(&all), None),
                }
                .unwrap();
                column.close().unwrap();
                index += 1;
            }
            group.close().unwrap();
        }
        writer.close().unwrap();
    }

    #[test]
    fn rows_are_read_from_all_groups_and_codecs() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("list.parquet");
        let rows = [("a b", Some(3), true), ("%20", None, true), ("c", Some(5), false), ("d", Some(0), true)];
        for compression in
            [Compression::UNCOMPRESSED, Compression::SNAPPY, Compression::GZIP(GzipLevel::default())]
        {
            write(&file, &rows, 3, compression);
            let (mut seen, mut bytes) = (Vec::new(), 0);
            let columns = Columns::parse(SCHEMA).unwrap();
            let read = read(&file, &columns, &mut |count| bytes += count, &mut |row| {
                assert_eq!(row.bucket, Some("b"));
                let said = row.said.map(|said| (said.size, said.digests.md5));
                seen.push((row.key.to_owned(), said));
                Ok(())
            });
            assert_eq!(read.unwrap(), 4);
            let md5 = Some([0xab; 16]);
            let expected = [
                ("a b", Some((Some(3), md5))),
                ("%20", Some((None, md5))),
                ("c", None),
                ("d", Some((Some(0), md5))),
            ];
            assert_eq!(seen, expected.map(|(key, said)| (key.to_owned(), said)));
            assert!(bytes > 0);
        }
    }

    #[test]
    fn what_is_no_such_file_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("list.parquet");
        let told = |schema: &str| {
            let columns = Columns::parse(schema).unwrap();
            read(&file, &columns, &mut |_| {}, &mut |_| Ok(())).unwrap_err().to_string()
        };
        std::fs::write(&file, "PAR1, or not").unwrap();
        assert!(told(SCHEMA).contains(": not Parquet that can be read: "), "{}", told(SCHEMA));
        write(&file, &[("a", Some(-1), true)], 1, Compression::UNCOMPRESSED);
        assert!(told(SCHEMA).ends_with(", row 1: -1 is no size"));
        assert!(
            told("message m { required binary key (UTF8); required int64 Size; }")
                .ends_with(": it has no column Size")
        );
    }
}
