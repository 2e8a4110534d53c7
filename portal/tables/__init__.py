"""Lists of people as companies keep them: text and spreadsheets, read row by row in little memory."""
