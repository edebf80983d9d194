DROP TABLE result_days;
